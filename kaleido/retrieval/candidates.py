"""Who competes with whom in retrieval: the candidates of every query (paper section 4.2, ITR and TIR)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaleido.errors import UserError
from kaleido.retrieval.config import DIRECTIONS, CandidatesConfig, Direction
from kaleido.retrieval.gallery import Gallery


@dataclass(frozen=True, slots=True, eq=False)
class CandidateLists:
    """The candidates of Q queries of one direction, list after list.

    Attributes:
        direction: Queries are photos and candidates texts (`i2t`), or the other way round.
        repeats: int [Q], in which repeat each query was drawn.
        queries: int [Q], items of the gallery.
        candidates: int [pairs].
        labels: bool [pairs], True on each list's one positive.
        offsets: int [Q + 1]; the list of query i is `offsets[i]:offsets[i + 1]`.
        notes: What became of the protocol's wishes, in JSON types.
    """

    direction: Direction
    repeats: np.ndarray
    queries: np.ndarray
    candidates: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray
    notes: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The text and the photo of each pair: int [pairs] twice."""
        queries = np.repeat(self.queries, np.diff(self.offsets))
        return (self.candidates, queries) if self.direction == "i2t" else (queries, self.candidates)

    def products(self, gallery: Gallery) -> np.ndarray:
        """The product of each query, by the number of its text: int [Q]."""
        return gallery.text_of_photo[self.queries] if self.direction == "i2t" else self.queries


def draw_lists(
    gallery: Gallery, labels: np.ndarray, categories: np.ndarray, config: CandidatesConfig
) -> dict[str, CandidateLists]:
    """The lists of `random100`, of both directions: the same products compete in either.

    Args:
        gallery: Texts and photos.
        labels: int [T], what negatives share, of each text's product; -1 where unlabelled.
        categories: int [T], what missing negatives are taken from.
        config: How to draw.

    Returns:
        By direction; each list has its positive last.

    Raises:
        UserError: if queries have too few candidates, and the configuration does not say what to do then.
    """
    size, photos = config.negatives, gallery.text_of_photo
    # What is drawn, each with its product: one item a product, or one a photo.
    products = np.arange(len(gallery.text_ids)) if config.level == "product" else photos
    lacking = _rivals(products, labels)[products] < size
    eligible = np.flatnonzero(~lacking) if config.small == "drop" else np.arange(len(products))
    if not len(eligible):
        raise UserError(
            f"{gallery.records.directory}: no {gallery.records.split} product has {size} others of its {config.label}, "
            f"{_rivals(products, labels).max()} at most; set candidates_config.small to fill or ask for fewer negatives"
        )
    by_photo = np.argsort(photos, kind="stable")
    first, last = (np.searchsorted(photos[by_photo], np.arange(len(labels)), side) for side in ("left", "right"))

    def one_photo(random: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        """A photo of each chosen product, or the chosen photo itself."""
        if config.level == "photo":
            return chosen
        return by_photo[random.integers(first[chosen], last[chosen])]

    found: dict[str, list] = {direction: [] for direction in DIRECTIONS}
    filled = 0
    for repeat in range(config.repeats):
        random = np.random.default_rng((config.seed, repeat))
        for query in random.permutation(eligible)[: config.queries]:
            product = products[query]
            others = products != product
            pool = np.flatnonzero(others & (labels[products] == labels[product]) & (labels[product] >= 0))
            if len(pool) < size:
                others[pool] = False
                more = np.flatnonzero(
                    others & (categories[products] == categories[product]) & (categories[product] >= 0)
                )
                if len(pool) + len(more) < size:
                    raise UserError(
                        f"{gallery.records.directory}: the {gallery.records.split} product {gallery.text_ids[product]} "
                        f"has only {len(pool) + len(more)} candidates in its {config.label} and category; set "
                        f"candidates_config.small to drop, or ask for fewer negatives. Received: {size}"
                    )
                negatives = np.concatenate([pool, random.choice(more, size - len(pool), replace=False)])
                filled += 1
            else:
                negatives = random.choice(pool, size, replace=False)
            items = np.append(negatives, query)
            shown = one_photo(random, items)
            found["i2t"].append((repeat, shown[-1], products[items]))
            found["t2i"].append((repeat, product, shown))
    notes = {
        "queries_filled_from_category": filled,
        "products_left_out": len(np.unique(products[lacking])) if config.small == "drop" else 0,
    }
    return {direction: _stacked(direction, lists, notes) for direction, lists in found.items()}


def _rivals(products: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many items of other products share each product's label: int [T]."""
    own = np.bincount(products, minlength=len(labels))
    sharing = np.bincount(labels[products] + 1, minlength=labels.max() + 2)[labels + 1]
    return np.where(labels >= 0, sharing - own, 0)


def _stacked(direction: Direction, lists: list, notes: Mapping[str, Any]) -> CandidateLists:
    repeats, queries, candidates = zip(*lists)
    width = len(candidates[0])
    labels = np.tile(np.arange(width) == width - 1, len(lists))
    offsets = np.arange(len(lists) + 1) * width
    return CandidateLists(
        direction, np.array(repeats), np.array(queries), np.concatenate(candidates), labels, offsets, notes
    )


def full_lists(gallery: Gallery, direction: Direction, seed: int = 0) -> CandidateLists:
    """Every photo against every text, or every text against every photo.

    A text's positive is one of its product's photos, drawn by the seed, and the others do not compete.
    """
    texts, photos = len(gallery.text_ids), len(gallery.photo_ids)
    if direction == "i2t":
        queries = np.flatnonzero(gallery.text_of_photo >= 0)
        labels = gallery.text_of_photo[queries, None] == np.arange(texts)
        candidates, kept = np.broadcast_to(np.arange(texts), labels.shape), np.ones(labels.shape, bool)
    else:
        order = np.random.default_rng(seed).permutation(photos)
        queries, first = np.unique(gallery.text_of_photo[order], return_index=True)
        queries, positive = queries[queries >= 0], order[first[queries >= 0]]
        labels = positive[:, None] == np.arange(photos)
        kept = labels | (gallery.text_of_photo != queries[:, None])
        candidates = np.broadcast_to(np.arange(photos), labels.shape)
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return CandidateLists(
        direction, np.zeros(len(queries), int), queries, candidates[kept].astype(np.int32), labels[kept], offsets, {}
    )
