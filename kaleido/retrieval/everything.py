"""Ranks every text for every photo and every photo for every text (protocol `full`), in blocks of queries.

A block's scores are dropped once its ranks and best candidates are known, so memory grows with texts and photos and not
with pairs, unless the scorer has no embeddings and has to score pair by pair.
"""

from dataclasses import dataclass

import numpy as np

from kaleido.progress import tqdm
from kaleido.retrieval.candidates import CandidateLists, full_queries
from kaleido.retrieval.config import Direction
from kaleido.retrieval.gallery import Gallery
from kaleido.retrieval.scorer import MatrixScorer, Scorer
from kaleido.retrieval.twins import TwinProducts

_BLOCK_BYTES = 2**27
"""Memory for the float64 scores of a block."""

_PAIRS = 2**20
"""Number of pairs that are scored by one call of a scorer without embeddings."""


class AllScores:
    """The scores of every pair, computed once for both directions and kept: 4 bytes a pair.

    Args:
        scorer: Scorer of pairs.
        gallery: Texts and photos.
    """

    def __init__(self, scorer: Scorer, gallery: Gallery):
        texts, photos = len(gallery.text_ids), len(gallery.photo_ids)
        self._scores = np.empty((photos, texts), np.float32)
        rows = max(1, _PAIRS // texts)
        for start in tqdm(range(0, photos, rows), "score", leave=False, unit="block", disable=photos <= rows):
            block = np.arange(start, min(start + rows, photos))
            pairs = np.tile(np.arange(texts), len(block)), np.repeat(block, texts)
            self._scores[block] = scorer.scores(*pairs).reshape(len(block), texts)

    def matrix(self, direction: Direction, queries: np.ndarray) -> np.ndarray:
        return self._scores[queries] if direction == "i2t" else self._scores.T[queries]


@dataclass(frozen=True, slots=True, eq=False)
class RankedAll:
    """All queries of one direction, ranked among all candidates.

    Attributes:
        lists: The best candidates of each query, which can lack the positive.
        scores: float32 [pairs], scores of these.
        ranks: int64 [Q], rank of each query's positive among all candidates, from 1.
        candidates: int64 [Q], number of all candidates of each query.
        hits: float64 [Q], share of each query's pairs that the threshold classifies correctly; None without one.
    """

    lists: CandidateLists
    scores: np.ndarray
    ranks: np.ndarray
    candidates: np.ndarray
    hits: np.ndarray | None


def rank_all(
    scorer: MatrixScorer,
    gallery: Gallery,
    direction: Direction,
    seed: int,
    kept: int,
    threshold: float | None = None,
    twins: TwinProducts | None = None,
) -> RankedAll:
    """Ranks the positive of every query of `full`; ties count against it.

    Other photos of a text's product are no candidates, and twins are what `ProtocolConfig.twins` says.

    Args:
        scorer: Scorer of all pairs.
        gallery: Texts and photos.
        direction: Direction of the queries.
        seed: Seed of the positives of texts.
        kept: Number of best candidates that are kept of each query, see `best_candidates`.
        threshold: Score above which text and photo are predicted to match; None if scores only order candidates.
        twins: Products that a query cannot tell apart; None if there are none.

    Raises:
        ValueError: if a score is not finite.
    """
    queries, positives = full_queries(gallery, direction, seed)
    ranks, candidates, right = (np.empty(len(queries), np.int64) for _ in range(3))
    twins = twins or TwinProducts.find(gallery, "wrong")
    texts = queries if direction == "t2i" else gallery.text_of_photo[queries]
    classes = twins.classes if direction == "i2t" else twins.of_photos
    members = np.argsort(classes, kind="stable")
    firsts, lasts = (np.searchsorted(classes[members], twins.classes[texts], side) for side in ("left", "right"))
    counts = np.empty(len(queries), np.int64)
    best, scores_of_best = [], []
    columns = len(gallery.text_ids if direction == "i2t" else gallery.photo_ids)
    rows = max(1, _BLOCK_BYTES // (8 * columns))
    for start in tqdm(range(0, len(queries), rows), f"rank {direction}", leave=False, unit="block"):
        block = slice(start, start + rows)
        scores = scorer.matrix(direction, queries[block])
        if not np.isfinite([scores.min(), scores.max()]).all():
            raise ValueError("a score is not finite")
        places = np.arange(len(scores))
        own = scores[places, positives[block]]
        for row in np.flatnonzero(lasts[block] - firsts[block] > 1).tolist():
            alike = members[firsts[start + row] : lasts[start + row]]
            if twins.mode == "right":
                others = alike if direction == "i2t" else alike[gallery.text_of_photo[alike] != texts[start + row]]
                own[row] = max(own[row], scores[row, others].max(initial=-np.inf))
            scores[row, alike] = -np.inf
        scores[places, positives[block]] = own
        candidates[block] = columns - (lasts[block] - firsts[block] - 1)
        # The comparison includes the positive itself, so ranks start at 1.
        ranks[block] = np.count_nonzero(scores >= own[:, None], axis=1)
        if threshold is not None:
            wrong = np.count_nonzero(scores > threshold, axis=1) - (own > threshold) + (own <= threshold)
            right[block] = candidates[block] - wrong
        chosen, found = best_candidates(scores, positives[block], kept)
        counts[block] = np.bincount(chosen, minlength=len(scores))
        best.append(found.astype(np.int32))
        scores_of_best.append(scores[chosen, found].astype(np.float32))
    found = np.concatenate(best)
    best.clear()
    lists = CandidateLists(
        direction,
        np.zeros(len(queries), int),
        queries,
        found,
        found == np.repeat(positives.astype(np.int32), counts),
        np.concatenate([[0], np.cumsum(counts)]),
        {},
    )
    hits = None if threshold is None else right / candidates
    return RankedAll(lists, np.concatenate(scores_of_best), ranks, candidates, hits)


def best_candidates(scores: np.ndarray, positives: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Selects the `count` best candidates of each row; among equal scores lower numbers first, and the positive last.

    Args:
        scores: float [n, C]; minus infinity is no candidate.
        positives: int [n], positive of each row.
        count: Number of candidates; a row with fewer keeps all.

    Returns:
        Rows and candidates, ascending: int [kept] twice.
    """
    # Flat, because NumPy finds the places of few true values of a vector several times as fast as those of a matrix.
    rows, found = np.divmod(np.flatnonzero(scores >= _lower_bound(scores, count)[:, None]), scores.shape[1])
    real = scores[rows, found] > -np.inf
    rows, found = rows[real], found[real]
    order = np.lexsort((found, found == positives[rows], -scores[rows, found], rows))
    first = np.searchsorted(rows, np.arange(len(scores)))
    kept = np.sort(order[np.arange(len(rows)) - first[rows] < count])
    return rows[kept], found[kept]


def _lower_bound(scores: np.ndarray, count: int) -> np.ndarray:
    """Finds a score that at least `count` candidates of each row reach, and few more do: float [n].

    Candidates are dealt into several times `count` hands; it is the `count`-th largest of the maxima of the hands.
    """
    rows, columns = scores.shape
    size = columns // (8 * count)
    if size < 2:
        return np.full(rows, -np.inf) if columns <= count else np.partition(scores, -count, axis=1)[:, -count]
    maxima = scores[:, : columns // size * size].reshape(rows, size, -1).max(axis=1)
    return np.partition(maxima, -count, axis=1)[:, -count]
