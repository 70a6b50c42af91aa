"""Signatures: the functions of a saved model, for `predict`, the Python API and the SavedModel export."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from kaleido.backend import ops
from kaleido.constants import CONTRASTIVE, LEVELS, PATCHES

if TYPE_CHECKING:
    import keras

EMBED, CLASSIFY, MATCH, ENCODE_TEXT, ENCODE_IMAGE = "embed", "classify", "match", "encode_text", "encode_image"

TEXT = ("token_ids", "token_mask")
PHOTO = (*(f"level{level}" for level in LEVELS), "positions")
"""Arrays of a batch (`docs/design.md`) that hold the texts and the photos."""


class Signature(NamedTuple):
    """One function of a model, in Keras operations and without dropout.

    Attributes:
        function: Function from a batch to float32 outputs by name, each with one row per example.
        reads: Names of the arrays of the batch that it reads.
    """

    function: Callable[[Mapping[str, Any]], dict[str, Any]]
    reads: tuple[str, ...] = (*TEXT, *PHOTO)


def body_of(model: "keras.Model") -> Any:
    """Returns the Kaleido-BERT in a model, or the model itself if it is one; None if there is none."""
    return model if hasattr(model, "encode") and hasattr(model, "pooler") else getattr(model, "bert", None)


def bert_signatures(model: "keras.Model") -> dict[str, Signature]:
    """Makes the signatures of any model that contains a Kaleido-BERT.

    `embed` gives `pooled` [B, H], `text` [B, T, H] and `patches` [B, 55, H]. Where the model has the head `itm`,
    `match` gives `score` [B], the difference of the two logits, and `probability` [B], its sigmoid; where it has the
    head `itc`, there are those of `embedding_signatures`. A model without a Kaleido-BERT has none of them.
    """
    bert = body_of(model)
    if bert is None:
        return {}
    found = {EMBED: Signature(partial(_embed, bert))}
    if "itm" in getattr(model, "tasks", ()):
        found[MATCH] = Signature(partial(_match, model))
    if CONTRASTIVE in getattr(model, "tasks", ()):
        found |= embedding_signatures(model)
    return found


def embedding_signatures(model: Any) -> dict[str, Signature]:
    """Makes the signatures of a model with `text_embeddings` and `image_embeddings`.

    They give `embedding` float32 [B, 256] of length 1, of texts alone or of photos alone.
    """
    return {
        ENCODE_TEXT: Signature(lambda batch: {"embedding": model.text_embeddings(batch)}, TEXT),
        ENCODE_IMAGE: Signature(lambda batch: {"embedding": model.image_embeddings(batch)}, PHOTO),
    }


def match_outputs(logits: Any) -> dict[str, Any]:
    """Computes score and probability of a match from the logits [B, 2] of `itm`."""
    logits = ops.cast(logits, "float32")
    score = logits[:, 1] - logits[:, 0]
    return {"score": score, "probability": ops.sigmoid(score)}


def _embed(bert: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    text, levels, pooled = bert.encode(batch, training=False)
    # The reshape only gives a SavedModel the static shape.
    patches = ops.reshape(ops.concatenate(levels, axis=1), (-1, PATCHES, bert.config.hidden_size))
    found = {"pooled": pooled, "text": text, "patches": patches}
    return {name: ops.cast(values, "float32") for name, values in found.items()}


def _match(model: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    return match_outputs(model.match(model.read_text(batch), batch["token_mask"], model.read_patches(batch)))
