"""What all decoders of captions have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

IMPOSSIBLE = -1e9
"""Log-probability of what must not be said; an infinite one would make sums not a number."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """What the pieces of a vocabulary are for.

    Attributes:
        begin: The piece before a caption, [CLS].
        end: The piece after it, [SEP].
        pad: What fills up after that.
        mask: What stands for pieces that are not known yet.
        never: SpecialTokens that no caption may have.
        count: How many pieces there are, V.
    """

    begin: int
    end: int
    pad: int
    mask: int
    never: Sequence[int]
    count: int

    def forbidden(self) -> np.ndarray:
        """float32 [V], to be added to log-probabilities."""
        return np.where(np.isin(np.arange(self.count), self.never), IMPOSSIBLE, 0.0).astype(np.float32)


class Captions(NamedTuple):
    """One caption a photo.

    Attributes:
        tokens: int32 [B, T]; [CLS], the caption, [SEP] where it ended within T positions, anything after that.
        scores: float32 [B], the sum of its pieces' log-probabilities, in nats.
    """

    tokens: Any
    scores: Any
