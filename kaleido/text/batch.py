"""Texts side by side, as a model reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaleido.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class TextBatch:
    """B texts in T positions.

    Attributes:
        token_ids: int32 [B, T], [CLS] text [SEP] and padding; T a multiple of 8 where the limit allows.
        token_mask: int32 [B, T], 1 on text.
        cut: bool [B], whether the end of a text is missing.
    """

    token_ids: np.ndarray
    token_mask: np.ndarray
    cut: np.ndarray


def text_batch(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> TextBatch:
    """Cuts texts into pieces.

    Args:
        tokenizer: Of the model.
        texts: At least one; empty ones are allowed.
        length: Positions at most, [CLS] and [SEP] included.
    """
    pieces = [tokenizer.encode(text).ids for text in texts]
    longest = min(max(map(len, pieces)) + 2, length)
    width = min(-(-longest // 8) * 8, length)
    token_ids = np.full((len(texts), width), tokenizer.pad_id, np.int32)
    token_mask = np.zeros_like(token_ids)
    for row, ids in enumerate(pieces):
        whole = [tokenizer.cls_id, *ids[: length - 2], tokenizer.sep_id]
        token_ids[row, : len(whole)] = whole
        token_mask[row, : len(whole)] = 1
    return TextBatch(token_ids, token_mask, np.array([len(ids) > length - 2 for ids in pieces]))
