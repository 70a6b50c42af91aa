"""Which word of a text belongs to which patch of a photo."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pre-aligned pairs of one text and one photo, k of them.

    Attributes:
        word: int32 [k], as `word_ids` of the text's `Encoding` counts words.
        patch: int32 [k], 0..54, in level order, row by row.
        score: float32 [k], 0..1, higher is surer.
    """

    word: np.ndarray
    patch: np.ndarray
    score: np.ndarray


def no_pairs() -> Pairs:
    """The pairs of a photo that no aligner has seen: masking is random then."""
    return Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
