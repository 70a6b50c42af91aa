"""Random numbers without a state: each is a hash of its purpose.

The same example gets the same draws whatever thread, batch or run asks for them. The hash is SplitMix64 (Steele, Lea
and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
"""

import functools
import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Stream(IntEnum):
    """The purpose of a random number; never renumber one, or every seed means something else."""

    ORDER = 0
    MISMATCH = 1
    PARTNER = 2
    WORD = 3
    SUBSTITUTION = 4
    SUBSTITUTE = 5
    PAIR = 6
    PATCH = 7
    ROTATION = 8
    JIGSAW = 9
    DONOR = 10
    DONOR_CELL = 11
    DONOR_RECORD = 12
    HARD_NEGATIVE = 13
    BATCH_NEGATIVE = 14
    WORD_DROPOUT = 15
    PATCH_DROPOUT = 16


def uniform(seed: int, epoch, indices, stream: int, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Draws for n examples.

    Args:
        seed: Any integer.
        epoch: One integer, or int [n].
        indices: int [n], the examples.
        stream: Purpose of the numbers; streams are independent of each other.
        shape: Shape of the numbers of an example; the first ones do not depend on how many there are.

    Returns:
        float64 [n, *shape], evenly in [0, 1); row i is a function of (seed, epoch[i], indices[i], stream) alone.
    """
    key = _key(seed, stream)
    for part in (epoch, indices):
        key = _mix(key ^ np.asarray(part).astype(np.uint64))
    counter = np.arange(1, math.prod(shape) + 1, dtype=np.uint64).reshape(shape)
    bits = _mix(key.reshape(np.shape(indices) + (1,) * len(shape)) + counter * _GAMMA)
    return (bits >> np.uint64(11)) * 2.0**-53


def permutation(seed: int, epoch: int, size: int) -> np.ndarray:
    """Draws the order of an epoch: int64 [size]."""
    return np.argsort(uniform(seed, epoch, np.arange(size), Stream.ORDER), kind="stable")


@functools.lru_cache(maxsize=256)
def _key(seed: int, stream: int) -> np.ndarray:
    # An array, because NumPy warns of overflows of scalars and not of those of arrays.
    return _mix(_mix(np.array([seed % 2**64], np.uint64)) ^ np.uint64(stream))


def _mix(value: np.ndarray) -> np.ndarray:
    value = value + _GAMMA
    value ^= value >> np.uint64(30)
    value *= _FIRST
    value ^= value >> np.uint64(27)
    value *= _SECOND
    value ^= value >> np.uint64(31)
    return value


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws for the rows of a batch.

    Attributes:
        seed: Any integer.
        epochs: int64 [B].
        indices: int64 [B], the record of each row.
    """

    seed: int
    epochs: np.ndarray
    indices: np.ndarray

    def uniform(self, stream: int, *shape: int) -> np.ndarray:
        """Draws float64 [B, *shape], evenly in [0, 1)."""
        return uniform(self.seed, self.epochs, self.indices, stream, shape)

    def integers(self, stream: int, bound: int, *shape: int) -> np.ndarray:
        """Draws int64 [B, *shape], evenly in 0..bound - 1."""
        return (self.uniform(stream, *shape) * bound).astype(np.int64)

    def __getitem__(self, rows) -> "Draws":
        """Selects the draws of some of the rows."""
        return Draws(self.seed, self.epochs[rows], self.indices[rows])
