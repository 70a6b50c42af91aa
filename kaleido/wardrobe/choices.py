"""Random draws that are a pure function of (seed, index), on every machine."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Choices:
    """The stream of random choices behind one product.

    Everything is derived from uniform doubles, which NumPy makes from the raw bits by a shift and a product; the
    streams of its other draws may change between releases.
    """

    def __init__(self, seed: int, index: int):
        self._random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index]))).random

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely as the others."""
        return options[int(self._random() * len(options))]

    def chance(self, probability: float) -> bool:
        return bool(self._random() < probability)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._random())

    def shuffled(self, items: Sequence[T]) -> list[T]:
        rest = list(items)
        return [rest.pop(int(self._random() * len(rest))) for _ in items]

    def noise(self, height: int, width: int) -> np.ndarray:
        """Float32 [height, width] in 0..1."""
        return self._random((height, width)).astype(np.float32)
