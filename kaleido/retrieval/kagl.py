"""Protocol `kagl`: text queries whose right products are listed in a file, among the photos of all splits.

The file is that of the public KAGL benchmark (marqo-ai/marqo-FashionCLIP), a JSON object `{query: {product id: 1}}`;
any other file of this form will do. Each photo is a document, as in the benchmark, and the metrics are its: recall@k
is the share of a query's right photos among its first k, MRR the inverse rank of the first right photo and MAP@10 the
average precision, both 0 beyond rank 10. Wrong photos come before right ones of the same score.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.result import Result
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.folder import Records
from kaleido.retrieval.everything import AllScores
from kaleido.retrieval.gallery import Gallery, JoinedGallery, open_gallery
from kaleido.retrieval.ranks import Resampling, mean_value
from kaleido.retrieval.scorer import MatrixScorer, Scorer
from kaleido.text import load_tokenizer

METRICS = ("recall@1", "recall@10", "MRR", "MAP@10")

LAST = 10
"""Rank of the last photo that counts."""

KEPT = 100
"""Number of best photos of each query that are written, at least."""

_BLOCK = 256
"""Queries that are ranked at a time."""

LEADERBOARD = {
    "Marqo-FashionSigLIP": (0.179, 0.489, 0.293),
    "Marqo-FashionCLIP": (0.159, 0.446, 0.265),
    "FashionCLIP 2.0": (0.122, 0.404, 0.217),
    "OpenFashionCLIP": (0.091, 0.325, 0.170),
}
"""Recall@1, recall@10 and MRR that the benchmark's leaderboard lists."""

LEADERBOARD_PHOTOS = 44_434


class QueryGallery(Gallery):
    """Text queries, and the photos of all splits of some records.

    Args:
        records: Folder of records.
        queries: Products that are right for each query; all have to be in the records.
        text_length: Largest number of text positions, including [CLS] and [SEP].
        raw_positions: Whether patch positions are in pixels.

    Attributes:
        splits: Split of each photo, `<U10` [P].
        right: Numbers of the photos that are right for each query.
    """

    def __init__(
        self, records: Records, queries: Mapping[str, Sequence[str]], text_length: int, raw_positions: bool = False
    ):
        parts = [open_gallery(records.open(split), text_length, raw_positions) for split in records.splits]
        self._joined = joined = JoinedGallery(parts)
        tokenizer = load_tokenizer(records.directory)
        encoded = (tokenizer.encode(query).ids[: text_length - 2] for query in queries)
        tokens = [np.array([tokenizer.cls_id, *ids, tokenizer.sep_id], np.int32) for ids in encoded]
        nobodys = np.full(len(joined.photo_ids), -1)
        super().__init__(joined.records, list(queries), joined.photo_ids, nobodys, tokens, raw_positions)
        self.splits = np.repeat(list(records.splits), [len(part.photo_ids) for part in parts])
        photos: dict[str, list[int]] = {}
        for photo, product in enumerate(joined.text_of_photo.tolist()):
            photos.setdefault(joined.text_ids[product], []).append(photo)
        self.right = [np.sort([photo for id in ids for photo in photos[id]]) for ids in queries.values()]

    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        return self._joined.photos(items)


def read_queries(path: Path, known: set[str]) -> tuple[dict[str, list[str]], int]:
    """Reads queries and their right products.

    Args:
        path: JSON file `{query: {product id: 1, ...}}`; a product of 0 is not right.
        known: Ids of the products that can be found.

    Returns:
        Right products by query, and the number of queries that were left out because a right product is not known.

    Raises:
        UserError: if the file has another form, or no query can be asked.
    """
    try:
        content = json.loads(path.read_bytes())
        found = {
            query: [str(id) for id, right in products.items() if float(right) > 0]
            for query, products in content.items()
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: queries must be a JSON object {{query: {{product id: 1}}}} ({error})") from None
    usable = {query: ids for query, ids in found.items() if ids and known.issuperset(ids)}
    if not usable:
        example = next((id for ids in found.values() for id in ids), "none")
        raise UserError(
            f"{path}: the right products of no query are in these records; ids must be those of the catalogue. "
            f"Received: {len(found):,} queries, the first product {example!r}"
        )
    return usable, len(found) - len(usable)


def rank_queries(
    gallery: QueryGallery,
    scorer: Scorer,
    second: Scorer | None = None,
    shortlist: int = 0,
    queries: np.ndarray | None = None,
    among: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the best photos of some queries.

    Args:
        gallery: Queries and photos.
        scorer: Scorer of all pairs.
        second: Scorer that orders the first `shortlist` photos anew; None leaves them as they are.
        shortlist: Number of these.
        queries: int [Q], numbers of the queries; all if None.
        among: bool [P], whether a photo can be found; all if None.

    Returns:
        Numbers of the photos, best first, int64 [Q, K], and their scores, float32 [Q, K]: those of `second` for the
        first `shortlist`. K is at least `KEPT`, or the number of photos.
    """
    matrix = scorer if isinstance(scorer, MatrixScorer) else AllScores(scorer, gallery)
    queries = np.arange(len(gallery.text_ids)) if queries is None else queries
    searched = np.arange(len(gallery.photo_ids)) if among is None else np.flatnonzero(among)
    kept = min(max(shortlist, KEPT), len(searched))
    photos, scores = np.empty((len(queries), kept), np.int64), np.empty((len(queries), kept), np.float32)
    for start in tqdm(range(0, len(queries), _BLOCK), "rank queries", leave=False, unit="block"):
        found = matrix.matrix("t2i", queries[start : start + _BLOCK])[:, searched]
        for row, of_query in enumerate(found, start):
            photos[row], scores[row] = _best(of_query, searched, gallery.right[queries[row]], kept)
    if second:
        first = slice(min(shortlist, kept))
        texts = np.repeat(queries, first.stop)
        again = second.scores(texts, photos[:, first].reshape(-1)).reshape(-1, first.stop)
        for row, query in enumerate(queries.tolist()):
            best = _best(again[row], photos[row, first], gallery.right[query], first.stop)
            photos[row, first], scores[row, first] = best
    return photos, scores


def _best(scores: np.ndarray, photos: np.ndarray, right: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Orders the best of some photos; right ones come after wrong ones of the same score."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    least = np.partition(scores, -kept)[-kept]
    places = np.flatnonzero(scores >= least)
    order = np.lexsort((photos[places], np.isin(photos[places], right), -scores[places]))[:kept]
    return photos[places][order], scores[places][order].astype(np.float32)


def metrics_of(photos: np.ndarray, right: Sequence[np.ndarray]) -> np.ndarray:
    """Computes `METRICS` of each query: float64 [Q, 4].

    Args:
        photos: The first photos of each query, int [Q, K], K at least 10 or all photos.
        right: Numbers of the right photos of each query, all of them.
    """
    rows = []
    for found, of_query in zip(photos[:, :LAST], right, strict=True):
        hits = np.isin(found, of_query)
        places = np.flatnonzero(hits) + 1
        precisions = np.arange(1, len(places) + 1) / places
        rows.append(
            (
                hits[:1].sum() / len(of_query),
                hits.sum() / len(of_query),
                1 / places[0] if len(places) else 0.0,
                precisions.sum() / len(of_query),
            )
        )
    return np.array(rows, float).reshape(-1, len(METRICS))


def kagl_result(
    gallery: QueryGallery,
    ranked: tuple[np.ndarray, np.ndarray],
    alone: tuple[np.ndarray, np.ndarray],
    left_out: int,
    resamples: int,
    about: Mapping[str, Any],
) -> Result:
    """Computes the metrics by the split of the right products, with 95 % intervals over resampled queries.

    Args:
        gallery: Queries and photos.
        ranked: Best photos and scores among those of all splits.
        alone: Best photos and scores of the queries of split test among its photos; empty if there are none.
        left_out: Number of queries that were left out.
        resamples: Number of bootstrap resamples.
        about: Further facts for the report, in JSON types.
    """
    splits = query_splits(gallery)
    found = metrics_of(ranked[0], gallery.right)
    everywhere = len(gallery.photo_ids)
    groups = {"all": ("all queries", np.full(len(splits), True))}
    titles = {
        "train": "products trained on",
        "validation": "products of split validation",
        "test": "products of split test",
        "several": "products of several splits",
    }
    groups |= {name: (title, splits == name) for name, title in titles.items() if (splits == name).any()}
    rows = {name: _row(found[rows], everywhere, title, resamples) for name, (title, rows) in groups.items()}
    if len(alone[0]):
        right = [of for of, split in zip(gallery.right, splits) if split == "test"]
        photos = int((gallery.splits == "test").sum())
        title = "products of split test among their own photos alone"
        rows["test_alone"] = _row(metrics_of(alone[0], right), photos, title, resamples)
    results = {**about, "protocol": "kagl", "queries_left_out": left_out, "resamples": resamples, "rows": rows}
    metrics = {f"{name}/{metric}": row[metric]["value"] for name, row in rows.items() for metric in METRICS}
    table = _table(rows, left_out, everywhere)
    if about.get("bank"):
        table += f" Cosines are normalised by the {about['bank']} products."
    files = {
        "retrieval-kagl.md": table.encode() + b"\n",
        "retrieval-kagl-scores.npz": _scores(gallery, splits, ranked),
        "retrieval-kagl.json": json.dumps(results, indent=1).encode() + b"\n",
    }
    return Result(metrics, table, files)


def query_splits(gallery: QueryGallery) -> np.ndarray:
    """Names the split of each query's right photos, or `several`: `<U10` [Q]."""
    sets = [set(gallery.splits[right]) for right in gallery.right]
    return np.array([str(of.pop()) if len(of) == 1 else "several" for of in sets])


def _row(values: np.ndarray, photos: int, title: str, resamples: int) -> dict[str, Any]:
    queries = np.arange(len(values))
    resampling = Resampling(queries, resamples)
    estimates = {
        name: asdict(mean_value(column, queries, resampling)) for name, column in zip(METRICS, values.T, strict=True)
    }
    return {"title": title, "queries": len(values), "photos": photos, **estimates}


def _table(rows: Mapping[str, Mapping[str, Any]], left_out: int, photos: int) -> str:
    lines = [f"| | queries | photos | {' | '.join(METRICS)} |", f"|---|---:|---:|{'---:|' * len(METRICS)}"]
    for row in rows.values():
        cells = [f"{(of := row[name])['value']:.3f} [{of['low']:.3f}, {of['high']:.3f}]" for name in METRICS]
        lines.append(f"| {row['title']} | {row['queries']:,} | {row['photos']:,} | {' | '.join(cells)} |")
    for name, values in LEADERBOARD.items():
        cells = [f"{value:.3f}" for value in values] + [""]
        lines.append(f"| *leaderboard: {name}* | 2,000 | {LEADERBOARD_PHOTOS:,} | {' | '.join(cells)} |")
    lines += [
        "",
        "The leaderboard's models saw none of this catalogue in training (zero-shot) and searched "
        f"{LEADERBOARD_PHOTOS:,} photos of full size; this model was trained on a part of the {photos:,} photos that "
        "it searches, and those compete with the others.",
    ]
    if left_out:
        lines[-1] += f" {left_out:,} queries were left out because a right product is not in these records."
    return "\n".join(lines)


def _scores(gallery: QueryGallery, splits: np.ndarray, ranked: tuple[np.ndarray, np.ndarray]) -> bytes:
    """Packs the best photos of each query, their scores, and the right photos, into an `.npz`."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        queries=np.array(gallery.text_ids),
        query_splits=splits,
        photo_ids=np.array(gallery.photo_ids),
        photo_splits=gallery.splits,
        photos=ranked[0].astype(np.int32),
        scores=ranked[1],
        right=np.concatenate(gallery.right).astype(np.int32),
        right_offsets=np.cumsum([0, *map(len, gallery.right)]),
    )
    return file.getvalue()
