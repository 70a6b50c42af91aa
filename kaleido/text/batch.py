"""Padded batches of tokenized texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaleido.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Batch of B texts padded to T positions.

    Attributes:
        token_ids: int32 [B, T], [CLS] text [SEP] and padding; T is a multiple of 8 unless the limit is none.
        token_mask: int32 [B, T], 1 on text, 0 on padding.
        cut: bool [B], whether the end of a text was cut off.
    """

    token_ids: np.ndarray
    token_mask: np.ndarray
    cut: np.ndarray


def text_batch(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> TextBatch:
    """Tokenizes texts, cuts them to a length and pads them.

    Args:
        tokenizer: The model's tokenizer.
        texts: One or more texts; empty ones are allowed.
        length: Most positions, [CLS] and [SEP] included.
    """
    tokens = [tokenizer.encode(text).ids for text in texts]
    longest = min(max(map(len, tokens)) + 2, length)
    width = min(-(-longest // 8) * 8, length)
    token_ids = np.full((len(texts), width), tokenizer.pad_id, np.int32)
    token_mask = np.zeros_like(token_ids)
    for row, ids in enumerate(tokens):
        whole = [tokenizer.cls_id, *ids[: length - 2], tokenizer.sep_id]
        token_ids[row, : len(whole)] = whole
        token_mask[row, : len(whole)] = 1
    return TextBatch(token_ids, token_mask, np.array([len(ids) > length - 2 for ids in tokens]))
