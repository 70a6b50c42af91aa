"""Runs the retrieval protocols with a scorer (the paper's tasks ITR and TIR)."""

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
    """Interface of scorers of (text, photo) pairs of a gallery.

    Attributes:
        threshold: Score above which text and photo are predicted to match; None if scores only order candidates.
    """

    threshold: float | None

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Scores pairs of texts int [n] and photos int [n] of the gallery: float32 [n], higher for better matches."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Candidate lists with scores and ranks.

    Attributes:
        lists: Candidates that were scored: all, or a shortlist, which can lack the positive.
        scores: float32 [pairs].
        ranks: int64 [Q], rank of each query's positive among all its candidates, from 1.
        products: int64 [Q], product of each query.
        scored: Lists with their scores; None for shortlists.
    """

    lists: CandidateLists
    scores: np.ndarray
    ranks: np.ndarray
    products: np.ndarray
    scored: ScoredLists | None


class Retrieval:
    """A retrieval protocol on the records of a split.

    Args:
        config: Protocol.
        text_length: Largest number of text positions, including [CLS] and [SEP].
        raw_positions: Whether the model reads patch positions in pixels.

    Attributes:
        gallery: Texts and photos.
        lists: Candidate lists by direction.
        lists_path: File of the candidate lists; None if they are not in a file.

    Raises:
        UserError: if there are no such records, too few products, or the candidate lists do not fit them.
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
            raise UserError(f"{config.lists}: has no lists for {config.direction}, only for {', '.join(lists)}")

    def rank(self, scorer: Scorer) -> dict[str, Ranked]:
        """Scores and ranks all candidates."""
        scores = _scores(scorer, self.lists)
        return {direction: self._ranked(lists, scores[direction]) for direction, lists in self.lists.items()}

    def rank_shortlists(self, first: Scorer, scorer: Scorer, size: int) -> dict[str, Ranked]:
        """Ranks the `size` best candidates of the first scorer by the second; all others keep their ranks."""
        stage = self.rank(first)
        lists = {direction: _shortlist(before, size) for direction, before in stage.items()}
        scores = _scores(scorer, lists)
        return {
            direction: _ranked_shortlist(before, lists[direction], scores[direction])
            for direction, before in stage.items()
        }

    def pairs_to_score(self, shortlist: int = 0) -> int:
        """Counts the distinct pairs of all lists; with shortlists, an upper bound."""
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


def _shortlist(before: Ranked, size: int) -> CandidateLists:
    """Selects the best candidates of every list; among equal scores the positive comes last."""
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
    """Ranks positives on the shortlist by the new scores; a positive that is not on it keeps its first-stage rank."""
    present = np.add.reduceat(lists.labels, lists.offsets[:-1], dtype=int) == 1
    lengths = np.diff(lists.offsets)
    pairs = np.repeat(present, lengths)
    ranks = before.ranks.copy()
    if present.any():
        offsets = np.concatenate([[0], np.cumsum(lengths[present])])
        ranks[present] = ScoredLists(scores[pairs], lists.labels[pairs], offsets, before.products[present]).ranks()
    return Ranked(lists, scores, ranks, before.products, None)
