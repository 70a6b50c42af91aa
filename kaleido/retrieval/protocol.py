"""Runs the retrieval protocols with a scorer (the paper's tasks ITR and TIR)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.errors import UserError
from kaleido.records.catalog_columns import column_labels
from kaleido.records.open import open_records
from kaleido.retrieval.candidate_files import read_lists, write_lists
from kaleido.retrieval.candidates import CandidateLists, draw_lists
from kaleido.retrieval.config import DIRECTIONS, Direction, ProtocolConfig
from kaleido.retrieval.everything import AllScores, RankedAll, rank_all
from kaleido.retrieval.gallery import Gallery, JoinedGallery, PhotoGallery, open_gallery
from kaleido.retrieval.ranks import ScoredLists
from kaleido.retrieval.scorer import MatrixScorer, Scorer
from kaleido.retrieval.twins import TwinProducts

KEPT = 100
"""Number of best candidates of each query whose scores `full` keeps without a shortlist."""

PAIR_BYTES, EMBEDDING_BYTES = 80, 3072
"""Memory at most for a pair that is listed, scored and written, and for a text or photo of a two-tower model."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Candidate lists with scores and ranks.

    Attributes:
        lists: Candidates whose scores were kept: all, a shortlist, or the best of `full`; the latter two can lack the
            positive.
        scores: float32 [pairs].
        ranks: int64 [Q], rank of each query's positive among all its candidates, from 1.
        products: int64 [Q], product of each query.
        candidates: int64 [Q], number of candidates of each query that were scored.
        hits: float64 [Q], share of each query's pairs that the threshold classifies correctly; None for shortlists, and
            for scores that only order candidates.
        scored: Lists with their scores, if all were kept.
    """

    lists: CandidateLists
    scores: np.ndarray
    ranks: np.ndarray
    products: np.ndarray
    candidates: np.ndarray
    hits: np.ndarray | None = None
    scored: ScoredLists | None = None

    def shortened(self, size: int) -> "Ranked":
        """Keeps the `size` best candidates of each query, and all ranks; among equal scores the positive is last."""
        lists, lengths = self.lists, np.diff(self.lists.offsets)
        queries = np.repeat(np.arange(len(lists)), lengths)
        order = np.lexsort((lists.labels, -self.scores, queries))
        kept = np.sort(order[np.arange(len(order)) - lists.offsets[queries] < size])
        offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, size))])
        lists = replace(lists, candidates=lists.candidates[kept], labels=lists.labels[kept], offsets=offsets)
        return replace(self, lists=lists, scores=self.scores[kept], scored=None)


class Retrieval:
    """A retrieval protocol on the records of a split.

    Args:
        config: Protocol; with `distractors` the texts and photos of that split compete as well.
        text_length: Largest number of text positions, including [CLS] and [SEP].
        raw_positions: Whether the model reads patch positions in pixels.

    Attributes:
        gallery: Texts and photos.
        twins: Products that a query cannot tell apart.
        directions: Directions to rank.
        lists: Candidate lists by direction; none for `full`, where everything competes.
        lists_path: File of the candidate lists; None if they are not in a file.

    Raises:
        UserError: if there are no such records, too few products, or the candidate lists do not fit them.
    """

    def __init__(self, config: ProtocolConfig, text_length: int, raw_positions: bool = False):
        self.config = config
        galleries = [
            open_gallery(
                open_records(Path(config.records), split), text_length, raw_positions, config.text, config.catalog
            )
            for split in filter(None, (config.split, config.distractors))
        ]
        self.gallery: Gallery = JoinedGallery(galleries) if config.distractors else galleries[0]
        mode = config.twins if isinstance(galleries[0], PhotoGallery) else "wrong"
        self.twins = TwinProducts.find(self.gallery, mode)
        self.lists_path: Path | None = None
        self.directions: tuple[Direction, ...] = DIRECTIONS if config.direction == "both" else (config.direction,)
        self.lists: dict[Direction, CandidateLists] = {}
        if config.protocol != "full":
            lists = self._lists()
            self.lists = {direction: lists[direction] for direction in self.directions if direction in lists}
            if not self.lists:
                raise UserError(f"{config.lists}: has no lists for {config.direction}, only for {', '.join(lists)}")

    def rank(self, scorer: Scorer) -> dict[Direction, Ranked]:
        """Scores and ranks all candidates."""
        if self.config.protocol == "full":
            found = self._rank_all(scorer, KEPT)
            return {direction: self._ranked_all(ranked) for direction, ranked in found.items()}
        scores = _scores(scorer, self.lists)
        return {
            direction: self._ranked(*self.twins.resolved(lists, scores[direction]), scorer)
            for direction, lists in self.lists.items()
        }

    def rank_shortlists(self, first: Scorer, scorer: Scorer, size: int) -> dict[Direction, Ranked]:
        """Ranks the `size` best candidates of the first scorer by the second; all others keep their ranks."""
        stage: Mapping[Direction, RankedAll | Ranked]
        if self.config.protocol == "full":
            stage = self._rank_all(first, size)
        else:
            stage = {direction: ranked.shortened(size) for direction, ranked in self.rank(first).items()}
        scores = _scores(scorer, {direction: before.lists for direction, before in stage.items()})
        return {
            direction: _ranked_shortlist(before, before.lists.products(self.gallery), scores[direction], size)
            for direction, before in stage.items()
        }

    def pairs_to_score(self, shortlist: int = 0) -> int:
        """Counts the distinct pairs to score; with shortlists, an upper bound."""
        gallery = self.gallery
        texts, photos = len(gallery.text_ids), len(gallery.photo_ids)
        if self.config.protocol == "full":
            numbers = {"i2t": (gallery.query_photos, texts), "t2i": (gallery.query_texts, photos)}
            kept = [queries * min(size, shortlist or size) for queries, size in map(numbers.get, self.directions)]
            return min(texts * photos, sum(kept))
        if shortlist:
            return sum(int(np.minimum(np.diff(lists.offsets), shortlist).sum()) for lists in self.lists.values())
        pairs = (lists.pairs for lists in self.lists.values())
        return len(np.unique(np.concatenate([photos.astype(np.int64) * texts + of for of, photos in pairs])))

    def memory_bytes(self, scorer: Scorer, shortlist: int = 0) -> int:
        """Estimates the memory that grows with texts, photos and pairs, beside models and records."""
        texts, photos = len(self.gallery.text_ids), len(self.gallery.photo_ids)
        resamples = self.config.resamples * texts
        if self.config.protocol != "full":
            return resamples + PAIR_BYTES * sum(len(lists.labels) for lists in self.lists.values())
        if shortlist or isinstance(scorer, MatrixScorer):
            kept = shortlist or KEPT
            return resamples + EMBEDDING_BYTES * (texts + photos) + PAIR_BYTES * kept * (texts + photos)
        return resamples + 4 * texts * photos + PAIR_BYTES * KEPT * (texts + photos)

    def _rank_all(self, scorer: Scorer, kept: int) -> dict[Direction, RankedAll]:
        matrix = scorer if isinstance(scorer, MatrixScorer) else AllScores(scorer, self.gallery)
        seed = self.config.candidates_config.seed
        return {
            direction: rank_all(matrix, self.gallery, direction, seed, kept, scorer.threshold, self.twins)
            for direction in self.directions
        }

    def _ranked_all(self, found: RankedAll) -> Ranked:
        products = found.lists.products(self.gallery)
        return Ranked(found.lists, found.scores, found.ranks, products, found.candidates, found.hits)

    def _ranked(self, lists: CandidateLists, scores: np.ndarray, scorer: Scorer) -> Ranked:
        products = lists.products(self.gallery)
        scored = ScoredLists(scores, lists.labels, lists.offsets, products)
        hits = None if scorer.threshold is None else scored.hits(scorer.threshold)
        return Ranked(lists, scores, scored.ranks(), products, np.diff(lists.offsets), hits, scored)

    def _lists(self) -> dict[str, CandidateLists]:
        config, gallery = self.config, self.gallery
        if config.protocol == "fixed":
            return self._fixed_lists()
        if not isinstance(gallery, PhotoGallery):
            raise UserError(
                f"{config.records}: the original's files have their own candidate lists; use protocol fixed. "
                f"Received: {config.protocol}"
            )
        settings = asdict(config.candidates_config)
        self.lists_path = Path(config.lists) if config.lists else self._default_path(settings)
        if self.lists_path.exists():
            return read_lists(self.lists_path, gallery, settings)
        lists = self._draw()
        write_lists(self.lists_path, gallery, lists, settings)
        return lists

    def _fixed_lists(self) -> dict[str, CandidateLists]:
        config, gallery = self.config, self.gallery
        if config.lists:
            self.lists_path = Path(config.lists)
            return read_lists(self.lists_path, gallery)
        return {config.direction: gallery.own_lists(config.direction)}

    def _draw(self) -> dict[str, CandidateLists]:
        config, gallery = self.config, self.gallery
        _, labels = column_labels(gallery.records, config.candidates_config.label, config.catalog)
        _, categories = column_labels(gallery.records, "category", config.catalog)
        first = gallery.first_photos
        return draw_lists(gallery, labels[first], categories[first], config.candidates_config)

    def _default_path(self, settings: dict[str, Any]) -> Path:
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
        return Path(self.config.records) / f"candidates-{self.config.split}-{key}.jsonl"


def _scores(scorer: Scorer, lists: Mapping[str, CandidateLists]) -> dict[str, np.ndarray]:
    """Scores all directions in one call, because they share pairs."""
    texts, photos = (np.concatenate(side) for side in zip(*(of_direction.pairs for of_direction in lists.values())))
    ends = np.cumsum([len(of_direction.labels) for of_direction in lists.values()])
    return dict(zip(lists, np.split(scorer.scores(texts, photos), ends[:-1])))


def _ranked_shortlist(before: RankedAll | Ranked, products: np.ndarray, scores: np.ndarray, size: int) -> Ranked:
    """Ranks positives on the shortlist by the new scores; a positive that is not on it keeps its first-stage rank."""
    lists = replace(before.lists, notes={**before.lists.notes, "shortlist": size})
    present = np.add.reduceat(lists.labels, lists.offsets[:-1], dtype=int) == 1
    lengths = np.diff(lists.offsets)
    pairs = np.repeat(present, lengths)
    ranks = before.ranks.copy()
    if present.any():
        offsets = np.concatenate([[0], np.cumsum(lengths[present])])
        ranks[present] = ScoredLists(scores[pairs], lists.labels[pairs], offsets, products[present]).ranks()
    return Ranked(lists, scores, ranks, products, lengths)
