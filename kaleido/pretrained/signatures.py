"""What a saved model can be asked, whoever asks: `predict`, or a server that has its SavedModel."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from keras import ops

from kaleido.app.model_folder import SavedModel
from kaleido.constants import PATCHES
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.classification.model import Recognizer
from kaleido.tasks.matching.matcher import Matcher

EMBED, CLASSIFY, MATCH = "embed", "classify", "match"

Signature = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From a batch, of which it reads texts and photos, to float32 outputs by name."""


def signatures_of(model: SavedModel) -> dict[str, Signature]:
    """The questions that a model answers, in Keras ops, without dropout.

    `embed`: `pooled` [B, H], `text` [B, T, H] and `patches` [B, 55, H]; of a matcher with towers also
    `text_direction` and `photo_direction` [B, 256], of length 1. `classify`: `probabilities` [B, C]. `match`: `score`
    [B], by how much the logit of a match is above the other, and `probability` [B], its sigmoid.
    """
    bert = model if isinstance(model, KaleidoBert) else getattr(model, "bert", None)
    if bert is None:
        return {}
    found: dict[str, Signature] = {EMBED: partial(_embed, model, bert)}
    if isinstance(model, Recognizer):
        found[CLASSIFY] = partial(_classify, model)
    if "itm" in model.tasks:
        found[MATCH] = partial(_match, model)
    return found


def _embed(model: SavedModel, bert: KaleidoBert, batch: Mapping[str, Any]) -> dict[str, Any]:
    text, levels, pooled = bert.encode(batch, training=False)
    # A reshape that changes nothing but what a SavedModel knows of the shape.
    patches = ops.reshape(ops.concatenate(levels, axis=1), (-1, PATCHES, bert.config.hidden_size))
    found = {"pooled": pooled, "text": text, "patches": patches}
    if isinstance(model, Matcher):
        found |= {"text_direction": model.text_directions(batch), "photo_direction": model.photo_directions(batch)}
    return {name: ops.cast(values, "float32") for name, values in found.items()}


def _classify(model: Recognizer, batch: Mapping[str, Any]) -> dict[str, Any]:
    logits = model(batch, training=False)[model.task]
    return {"probabilities": ops.softmax(ops.cast(logits, "float32"))}


def _match(model: KaleidoBert | Matcher, batch: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(model, Matcher):
        logits = model(batch, training=False)["itm"]
    else:
        # Its other heads would ask for the labels of their tasks.
        logits = model.match(model.read_text(batch), batch["token_mask"], model.read_patches(batch))
    logits = ops.cast(logits, "float32")
    score = logits[:, 1] - logits[:, 0]
    return {"score": score, "probability": ops.sigmoid(score)}
