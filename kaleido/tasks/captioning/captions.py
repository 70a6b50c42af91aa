"""Types that all decoders of captions share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

IMPOSSIBLE = -1e9
"""Log-probability of forbidden tokens; an infinite one would make sums not a number."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The special tokens of a vocabulary.

    Attributes:
        begin: Token before a caption, [CLS].
        end: Token after it, [SEP].
        pad: Padding after that.
        mask: Token in place of tokens that are not known yet.
        never: Tokens that no caption may have.
        count: Size V of the vocabulary.
    """

    begin: int
    end: int
    pad: int
    mask: int
    never: Sequence[int]
    count: int

    def forbidden(self) -> np.ndarray:
        """Makes what is added to log-probabilities so that forbidden tokens are never chosen: float32 [V]."""
        return np.where(np.isin(np.arange(self.count), self.never), IMPOSSIBLE, 0.0).astype(np.float32)


class Captions(NamedTuple):
    """One caption a photo.

    Attributes:
        tokens: int32 [B, T]; [CLS], the caption, [SEP] where it ended within T positions, anything after that.
        scores: float32 [B], the sum of its tokens' log-probabilities, in nats.
    """

    tokens: Any
    scores: Any
