"""Random choices that depend on (seed, index) alone, on every machine."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Choices:
    """Stream of random choices for one product.

    All choices are derived from uniform doubles, which NumPy computes from the raw bits by a shift and a product; its
    other distributions may change between releases.
    """

    def __init__(self, seed: int, index: int):
        self._random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index]))).random

    def pick(self, options: Sequence[T]) -> T:
        """Picks one of the options with equal probability."""
        return options[int(self._random() * len(options))]

    def chance(self, probability: float) -> bool:
        """Returns True with a probability."""
        return bool(self._random() < probability)

    def between(self, low: float, high: float) -> float:
        """Draws a uniform number."""
        return low + (high - low) * float(self._random())

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Returns the items in random order."""
        rest = list(items)
        return [rest.pop(int(self._random() * len(rest))) for _ in items]

    def noise(self, height: int, width: int) -> np.ndarray:
        """Draws uniform noise, float32 [height, width] in 0..1."""
        return self._random((height, width)).astype(np.float32)
