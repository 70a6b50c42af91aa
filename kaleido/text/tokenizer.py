"""The interface of both tokenizers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import numpy as np

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"


class Encoding(NamedTuple):
    """One text as the model reads it, without special tokens.

    Attributes:
        ids: int32 [n], the pieces.
        word_ids: int32 [n], which word each piece belongs to; starts at 0, never decreases, counts every word.
    """

    ids: np.ndarray
    word_ids: np.ndarray


class Tokenizer(ABC):
    """Lower-cases a text and cuts it into the pieces of a vocabulary.

    Attributes:
        vocab_size: Number of pieces, special ones included.
        pad_id, unk_id, cls_id, sep_id, mask_id: Ids of the special pieces.
    """

    vocab_size: int
    pad_id: int
    unk_id: int
    cls_id: int
    sep_id: int
    mask_id: int

    @property
    def special_ids(self) -> tuple[int, ...]:
        """Ids that never stand for a piece of text."""
        return (self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id)

    @abstractmethod
    def encode(self, text: str) -> Encoding:
        """Cuts a text of any length; an empty one gives no pieces."""

    @abstractmethod
    def decode(self, ids) -> str:
        """Joins pieces to readable text, special pieces left out."""

    @abstractmethod
    def piece(self, id: int) -> str:
        """The piece of an id, as it is spelt in the vocabulary."""

    @abstractmethod
    def save(self, directory: Path) -> Path:
        """Writes the vocabulary into a folder, where `load_tokenizer` finds it; returns the file."""
