"""Types shared by all caption decoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

IMPOSSIBLE = -1e9
"""Log-probability of forbidden tokens; finite, because sums with infinite values can become NaN."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Special tokens of a vocabulary.

    Attributes:
        begin: Id of the token before a caption, [CLS].
        end: Id of the token after a caption, [SEP].
        pad: Id of the padding token.
        mask: Id of the token in place of unknown tokens, [MASK].
        never: Ids of the tokens that never occur in a caption.
        count: Size V of the vocabulary.
    """

    begin: int
    end: int
    pad: int
    mask: int
    never: Sequence[int]
    count: int

    def forbidden(self) -> np.ndarray:
        """Makes the term that, added to log-probabilities, excludes the forbidden tokens: float32 [V]."""
        return np.where(np.isin(np.arange(self.count), self.never), IMPOSSIBLE, 0.0).astype(np.float32)


class Captions(NamedTuple):
    """One caption per photo.

    Attributes:
        tokens: int32 [B, T]: [CLS], the caption, and [SEP] if it ended within T positions; later tokens are undefined.
        scores: float32 [B], sum of the log-probabilities of the caption's tokens, in nats.
    """

    tokens: Any
    scores: Any
