"""Reads captions token by token, with a cache of the keys and values of earlier tokens."""

from typing import Any, Protocol

from keras import ops

from kaleido.model.encoder import MASKED_SCORE, EncoderLayer
from kaleido.tasks.captioning.model import Captioner

State = list
"""Arrays, or lists and tuples of arrays, whose first two axes are photos B and captions per photo K."""


class Reader(Protocol):
    """Interface of a captioning model for beam search.

    Attributes:
        photos: Number of photos B.
    """

    photos: int

    def begin(self, captions: int, length: int) -> State:
        """Makes the state before the first token, for K captions per photo of at most `length` positions."""

    def read(self, state: State, tokens: Any, place: Any) -> tuple[Any, State]:
        """Reads the tokens int32 [B, K] at a position: the logits [B, K, V] of the next token, and the new state."""


class CachedReader:
    """Reader that caches keys and values: those of the patches at the start, those of a token when it is read.

    Patches attend to patches only, so that their keys and values are shared by all captions of a photo.

    Args:
        captioner: Model with a causal decoder.
        batch: Batch of photos; its texts are not read.
    """

    def __init__(self, captioner: Captioner, batch):
        self._captioner = captioner
        values = captioner.bert.embed_patches(batch)
        self.photos = values.shape[0]
        bias = ops.zeros((1, 1, 1, 1))
        self._patches = []
        for block in captioner.bert.encoder.blocks:
            self._patches.append(block.attention.memory(values))
            values = block(values, bias)

    def begin(self, captions: int, length: int) -> State:
        config = self._captioner.config
        shape = (self.photos, captions, config.num_heads, length, config.hidden_size // config.num_heads)
        empty = ops.zeros(shape, self._captioner.compute_dtype)
        return [(empty, empty) for _ in self._patches]

    def read(self, state: State, tokens: Any, place: Any) -> tuple[Any, State]:
        photos, captions = tokens.shape
        embedded = self._captioner.bert.text_embedding(ops.reshape(tokens, (-1, 1)), first=place)
        values = ops.reshape(embedded, (photos, captions, -1))
        after = []
        for block, patches, text in zip(self._captioner.bert.encoder.blocks, self._patches, state):
            values, text = _read(block, values, patches, text, place)
            after.append(text)
        return self._captioner.logits(values), after


def _read(block: EncoderLayer, values, patches, text, place):
    """Computes one layer for the tokens [B, K, H] at one position: the outputs, and the updated text cache."""
    attention = block.attention
    length = text[0].shape[3]
    photos, captions, size = values.shape
    rows = ops.reshape(values, (photos * captions, 1, size))
    here = ops.arange(length)[:, None] == place
    text = tuple(
        ops.where(here, ops.reshape(new, (photos, captions, -1, 1, attention.head_size)), old)
        for new, old in zip(attention.memory(rows), text)
    )
    query = ops.reshape(attention.heads(attention.query(rows)), (photos, captions, -1, attention.head_size))
    query = query * (attention.head_size**-0.5)
    bias = ops.where(ops.arange(length) > place, MASKED_SCORE, 0.0)
    scores = [
        ops.cast(ops.einsum("bkhd,bhpd->bkhp", query, patches[0]), "float32"),
        ops.cast(ops.einsum("bkhd,bkhld->bkhl", query, text[0]), "float32") + bias,
    ]
    probabilities = ops.cast(ops.softmax(ops.concatenate(scores, axis=-1)), attention.compute_dtype)
    count = patches[0].shape[2]
    mixed = ops.einsum("bkhp,bhpd->bkhd", probabilities[..., :count], patches[1])
    mixed = mixed + ops.einsum("bkhl,bkhld->bkhd", probabilities[..., count:], text[1])
    attended = attention.output_projection(ops.reshape(mixed, values.shape))
    return block.complete(values, attended), text
