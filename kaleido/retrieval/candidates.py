"""Draws the candidates of every retrieval query (the paper's tasks ITR and TIR)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kaleido.errors import UserError
from kaleido.retrieval.config import DIRECTIONS, CandidatesConfig, Direction
from kaleido.retrieval.gallery import Gallery


@dataclass(frozen=True, slots=True, eq=False)
class CandidateLists:
    """Candidates of Q queries of one direction, concatenated list by list.

    Attributes:
        direction: `i2t`, queries are photos and candidates are texts; or `t2i`, the other way round.
        repeats: int [Q], number of the repeat that each query was drawn in.
        queries: int [Q], numbers of photos or texts in the gallery.
        candidates: int [pairs], numbers of texts or photos in the gallery.
        labels: bool [pairs], True for the positive, of which each list has one.
        offsets: int [Q + 1]; the list of query i is `offsets[i]:offsets[i + 1]`.
        notes: Facts for the report, for example the number of queries that were filled up, in JSON types.
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
        """Returns the text and the photo of each pair: int [pairs] twice."""
        queries = np.repeat(self.queries, np.diff(self.offsets))
        return (self.candidates, queries) if self.direction == "i2t" else (queries, self.candidates)

    def products(self, gallery: Gallery) -> np.ndarray:
        """Returns the product of each query, as the number of its text: int [Q]."""
        return gallery.text_of_photo[self.queries] if self.direction == "i2t" else self.queries


def draw_lists(
    gallery: Gallery, labels: np.ndarray, categories: np.ndarray, config: CandidatesConfig
) -> dict[str, CandidateLists]:
    """Draws the lists of `random100`; both directions have the same queries and negatives.

    Args:
        gallery: Texts and photos.
        labels: int [T], label of each text's product, which its negatives share; -1 where unlabelled.
        categories: int [T], category of each text's product, from which lists are filled up; -1 where unlabelled.
        config: Settings of the draw.

    Returns:
        Candidate lists by direction; the positive is the last candidate of each list.

    Raises:
        UserError: if a query has too few candidates even in its category, or `drop` leaves no query.
    """
    size, photos = config.negatives, gallery.text_of_photo
    # Product of each item that can be drawn; items are products or photos.
    products = np.arange(len(gallery.text_ids)) if config.level == "product" else photos
    lacking = _candidate_counts(products, labels)[products] < size
    eligible = np.flatnonzero(~lacking) if config.small == "drop" else np.arange(len(products))
    if not len(eligible):
        raise UserError(
            f"{gallery.records.directory}: no {gallery.records.split} product shares its {config.label} with {size} "
            f"others, at most with {_candidate_counts(products, labels).max()}; set candidates_config.small to fill "
            "or ask for fewer negatives"
        )
    by_photo = np.argsort(photos, kind="stable")
    first, last = (np.searchsorted(photos[by_photo], np.arange(len(labels)), side) for side in ("left", "right"))

    def one_photo(random: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
        """Draws a photo of each chosen product, or returns the chosen photos themselves."""
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


def _candidate_counts(products: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts the items of other products that share each product's label: int [T]."""
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


def full_queries(gallery: Gallery, direction: Direction, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Lists the queries of `full`, to which all texts or all photos are candidates, and the positive of each.

    The positive of a text is one photo of its product, drawn by the seed; the product's other photos are left out.

    Returns:
        Numbers of the queries, ascending, and of their positives: int64 [Q] twice.
    """
    owners = gallery.text_of_photo[: gallery.query_photos]
    if direction == "i2t":
        queries = np.flatnonzero(owners >= 0)
        return queries, owners[queries]
    order = np.random.default_rng(seed).permutation(len(owners))
    queries, first = np.unique(owners[order], return_index=True)
    return queries[queries >= 0], order[first[queries >= 0]]
