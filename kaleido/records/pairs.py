"""Pairs of a word of a text and a patch of a photo."""

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
    """Gives the pairs of a photo that has not been aligned: none."""
    return Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
