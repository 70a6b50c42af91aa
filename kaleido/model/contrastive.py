"""Contrastive learning of text and image embeddings; not part of the paper.

A batch of B pairs gives logits float32 [B, 2, N]: of each row the scaled cosines of its photo and all N texts, then of
its text and all N photos. N is B, or the rows of all devices where TensorFlow trains on several; on JAX a function sees
the whole batch anyway.
"""

from kaleido.backend import ops
from kaleido.model.tensors import Batch, Tensor
from kaleido.replicas import first_row, gathered

SIZE, WIDTH = 256, 1024
"""Sizes of an embedding, and of the hidden layer between a photo's features and it."""

_EXCLUDED = -1e4
"""Added to the logit of a text or photo that is no negative."""


def unit(values: Tensor) -> Tensor:
    """Scales rows to length 1, in float32."""
    return ops.normalize(ops.cast(values, "float32"))


def whole_texts(batch: Batch) -> Tensor:
    """Puts masked tokens back: int32 [B, T], the texts as they are without masking."""
    tokens = batch["token_ids"]
    if "mlm_positions" not in batch:
        return tokens
    slots = ops.one_hot(batch["mlm_positions"], ops.shape(tokens)[1], dtype="float32")
    slots = slots * ops.cast(batch["mlm_weights"], "float32")[..., None]
    # Exact: a vocabulary has far fewer than 2^24 tokens.
    restored = ops.sum(slots * ops.cast(batch["mlm_ids"], "float32")[..., None], axis=1)
    return ops.where(ops.sum(slots, axis=1) > 0, ops.cast(restored, "int32"), tokens)


def contrastive_logits(texts: Tensor, photos: Tensor, scale: Tensor, batch: Batch) -> Tensor:
    """Compares each text and photo of a batch with those of all rows: float32 [B, 2, N].

    Equal texts do not compete: the logits of other rows with them are lowered by 10,000. They have equal tokens or,
    where the batch has `text_numbers`, equal numbers.

    Args:
        texts: Embeddings of the texts, float32 [B, E] of length 1.
        photos: Embeddings of the photos, float32 [B, E] of length 1.
        scale: Logarithm of the inverse temperature.
        batch: The batch that they were made of.
    """
    numbers = batch["text_numbers"][:, None] if "text_numbers" in batch else whole_texts(batch)
    all_texts, all_photos, all_numbers = gathered(texts), gathered(photos), gathered(numbers)
    cosines = [ops.matmul(own, ops.transpose(every)) for own, every in ((photos, all_texts), (texts, all_photos))]
    same = ops.cast(ops.all(ops.equal(numbers[:, None], all_numbers[None]), axis=-1), "float32")
    others = same * (1.0 - _own(same))
    return ops.exp(ops.cast(scale, "float32")) * ops.stack(cosines, axis=1) + _EXCLUDED * others[:, None]


def contrastive_losses(logits: Tensor) -> Tensor:
    """Computes the symmetric contrastive loss (InfoNCE) of logits [B, 2, N]: float32 [B, 2], in nats."""
    return ops.sparse_categorical_crossentropy(own_columns(logits), logits, from_logits=True)


def own_columns(logits: Tensor) -> Tensor:
    """Returns the columns of the right answers in logits [B, 2, N]: int32 [B, 2]."""
    columns = _places(logits)
    return ops.stack([columns, columns], axis=1)


def drawn_negatives(logits: Tensor, draws: Tensor) -> Tensor:
    """Draws a text for each photo and a photo for each text, the more similar the likelier (Li et al., ALBEF, 2021).

    Args:
        logits: Result of `contrastive_logits`.
        draws: float32 [B, 2], evenly in [0, 1].

    Returns:
        int32 [B, 2], rows of this device's part of the batch: that of the text and that of the photo. A row has itself
        only where the part has no other row.
    """
    rows = ops.shape(logits)[0]
    logits = ops.stop_gradient(logits)
    # Embedded texts and patches of other devices are not at hand.
    here = ops.take(logits, _places(logits), axis=2)
    diagonal = ops.eye(rows, dtype="float32")[:, None]
    below = ops.cumsum(ops.softmax(here + 2 * _EXCLUDED * diagonal), axis=-1) <= draws[..., None]
    drawn = ops.minimum(ops.sum(ops.cast(below, "int32"), axis=-1), rows - 1)
    # A sum of probabilities that is rounded to less than a draw near 1 must not end at the row itself.
    itself = ops.cast(ops.equal(drawn, ops.arange(rows, dtype="int32")[:, None]), "int32")
    return (drawn + itself * (rows - 1)) % rows


def _own(values: Tensor) -> Tensor:
    """Marks each row's own column: float32 [B, N]."""
    columns = ops.arange(ops.shape(values)[1], dtype="int32")
    return ops.cast(ops.equal(_places(values)[:, None], columns[None]), "float32")


def _places(values: Tensor) -> Tensor:
    """Computes the places of this device's rows among those of all devices: int32 [B]."""
    rows = ops.shape(values)[0]
    return first_row(rows) + ops.arange(rows, dtype="int32")
