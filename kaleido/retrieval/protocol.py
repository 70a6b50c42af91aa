"""Retrieval: the protocols, and what a scorer makes of them (paper section 4.2, ITR and TIR)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kaleido.errors import UserError
from kaleido.records.catalog_columns import column_labels
from kaleido.records.open import open_records
from kaleido.retrieval.candidate_files import read_lists, write_lists
from kaleido.retrieval.candidates import CandidateLists, draw_lists, full_lists
from kaleido.retrieval.config import DIRECTIONS, ProtocolConfig
from kaleido.retrieval.gallery import PhotoGallery, open_gallery
from kaleido.retrieval.ranks import ScoredLists


class Scorer(Protocol):
    """What tells how well texts and photos of a gallery fit.

    Attributes:
        threshold: Scores above it say that they belong together; None where scores only order.
    """

    threshold: float | None

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """float32 [n], higher the better text and photo fit, of pairs int [n] of a gallery's items."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Lists with what a scorer made of them.

    Attributes:
        lists: The candidates that were scored: all, or a shortlist, which may lack the positive.
        scores: float32 [pairs].
        ranks: int64 [Q], the place of each query's positive, from 1, among all its candidates.
        products: int64 [Q].
        scored: The lists with their scores; None of a shortlist.
    """

    lists: CandidateLists
    scores: np.ndarray
    ranks: np.ndarray
    products: np.ndarray
    scored: ScoredLists | None


class Retrieval:
    """A protocol on the records of a split.

    Args:
        config: Protocol.
        text_length: Text positions at most, [CLS] and [SEP] included.
        raw_positions: Whether the model reads positions in pixels.

    Attributes:
        gallery: Texts and photos.
        lists: Candidates by direction.
        lists_path: Where they are kept, None where they are not.

    Raises:
        UserError: if there are no such records, too few products, or lists that do not fit.
    """

    def __init__(self, config: ProtocolConfig, text_length: int, raw_positions: bool = False):
        self.config = config
        records = open_records(Path(config.records), config.split)
        self.gallery = open_gallery(records, text_length, raw_positions, config.text, config.catalog)
        self.lists_path: Path | None = None
        lists = self._lists()
        directions = DIRECTIONS if config.direction == "both" else (config.direction,)
        self.lists = {direction: lists[direction] for direction in directions if direction in lists}
        if not self.lists:
            raise UserError(f"{config.lists}: holds no lists of {config.direction}, only of {', '.join(lists)}")

    def rank(self, scorer: Scorer) -> dict[str, Ranked]:
        """Scores all candidates."""
        scores = _scores(scorer, self.lists)
        return {direction: self._ranked(lists, scores[direction]) for direction, lists in self.lists.items()}

    def rank_shortlists(self, first: Scorer, scorer: Scorer, size: int) -> dict[str, Ranked]:
        """Scores the best of every list, as the first scorer has them; what is not among them stays behind."""
        stage = self.rank(first)
        lists = {direction: _shortlist(before, size) for direction, before in stage.items()}
        scores = _scores(scorer, lists)
        return {
            direction: _ranked_shortlist(before, lists[direction], scores[direction])
            for direction, before in stage.items()
        }

    def pairs_to_score(self, shortlist: int = 0) -> int:
        """Different pairs in all lists; at most, of shortlists."""
        if shortlist:
            return sum(int(np.minimum(np.diff(lists.offsets), shortlist).sum()) for lists in self.lists.values())
        pairs = (lists.pairs for lists in self.lists.values())
        numbers = [photos.astype(np.int64) * len(self.gallery.text_ids) + texts for texts, photos in pairs]
        return len(np.unique(np.concatenate(numbers)))

    def _ranked(self, lists: CandidateLists, scores: np.ndarray) -> Ranked:
        products = lists.products(self.gallery)
        scored = ScoredLists(scores, lists.labels, lists.offsets, products)
        return Ranked(lists, scores, scored.ranks(), products, scored)

    def _lists(self) -> dict[str, CandidateLists]:
        config, gallery = self.config, self.gallery
        if config.protocol == "full":
            return {
                direction: full_lists(gallery, direction, config.candidates_config.seed) for direction in DIRECTIONS
            }
        if config.protocol == "fixed":
            return self._fixed_lists()
        if not isinstance(gallery, PhotoGallery):
            raise UserError(
                f"{config.records}: the original's files hold their own lists; use protocol fixed. "
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
    """The scores of all directions, asked for at once: they share pairs."""
    texts, photos = (np.concatenate(side) for side in zip(*(of_direction.pairs for of_direction in lists.values())))
    ends = np.cumsum([len(of_direction.labels) for of_direction in lists.values()])
    return dict(zip(lists, np.split(scorer.scores(texts, photos), ends[:-1])))


def _shortlist(before: Ranked, size: int) -> CandidateLists:
    """The best of every list; among equals the positive comes last."""
    lists = before.lists
    lengths = np.diff(lists.offsets)
    query = np.repeat(np.arange(len(lists)), lengths)
    order = np.lexsort((lists.labels, -before.scores, query))
    kept = np.sort(order[np.arange(len(query)) - np.repeat(lists.offsets[:-1], lengths) < size])
    offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, size))])
    return CandidateLists(
        lists.direction,
        lists.repeats,
        lists.queries,
        lists.candidates[kept],
        lists.labels[kept],
        offsets,
        {**lists.notes, "shortlist": size},
    )


def _ranked_shortlist(before: Ranked, lists: CandidateLists, scores: np.ndarray) -> Ranked:
    """A positive on the shortlist has its place there; one that is not keeps its place behind."""
    present = np.add.reduceat(lists.labels, lists.offsets[:-1], dtype=int) == 1
    lengths = np.diff(lists.offsets)
    pairs = np.repeat(present, lengths)
    ranks = before.ranks.copy()
    if present.any():
        offsets = np.concatenate([[0], np.cumsum(lengths[present])])
        ranks[present] = ScoredLists(scores[pairs], lists.labels[pairs], offsets, before.products[present]).ranks()
    return Ranked(lists, scores, ranks, before.products, None)
