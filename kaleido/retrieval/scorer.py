"""Interfaces of scorers of the (text, photo) pairs of a gallery."""

from typing import Protocol, runtime_checkable

import numpy as np

from kaleido.retrieval.config import Direction


class Scorer(Protocol):
    """Scores pairs.

    Attributes:
        threshold: Score above which text and photo are predicted to match; None if scores only order candidates.
    """

    threshold: float | None

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Scores pairs of texts int [n] and photos int [n] of the gallery: float32 [n], higher for better matches."""


@runtime_checkable
class MatrixScorer(Protocol):
    """Scores many queries against all candidates at once."""

    def matrix(self, direction: Direction, queries: np.ndarray) -> np.ndarray:
        """Scores some photos (`i2t`) or texts (`t2i`), int [n], for all candidates: float [n, C], a new array."""
