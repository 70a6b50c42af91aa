"""Interface of the tokenizers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNK, CLS, SEP, MASK)


class Encoding(NamedTuple):
    """Tokens of one text, without special tokens.

    Attributes:
        ids: int32 [n], token ids.
        word_ids: int32 [n], index of each token's word; starts at 0, never decreases and skips no word.
    """

    ids: np.ndarray
    word_ids: np.ndarray


class Tokenizer(ABC):
    """Lower-cases a text and splits it into tokens of a vocabulary.

    Attributes:
        vocab_size: Number of tokens, special ones included.
        pad_id, unk_id, cls_id, sep_id, mask_id: Ids of the special tokens.
    """

    vocab_size: int
    pad_id: int
    unk_id: int
    cls_id: int
    sep_id: int
    mask_id: int

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids of the special tokens, which stand for no text."""
        return (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)

    @abstractmethod
    def encode(self, text: str) -> Encoding:
        """Splits a text of any length into tokens; an empty text has none."""

    def decode(self, ids: Iterable[int]) -> str:
        """Joins tokens to readable text, without the special ones."""
        special = set(self.special_ids)
        return self._join([int(id) for id in ids if int(id) not in special])

    @abstractmethod
    def _join(self, ids: list[int]) -> str:
        """Joins ordinary tokens to readable text."""

    @abstractmethod
    def token(self, id: int) -> str:
        """Returns the token of an id, as the vocabulary spells it."""

    @abstractmethod
    def save(self, directory: Path) -> Path:
        """Writes the vocabulary into a folder, where `load_tokenizer` finds it; returns its path."""
