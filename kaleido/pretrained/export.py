"""A saved model as a TensorFlow SavedModel, for servers that have neither Kaleido nor Keras."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaleido.app.model_folder import SavedModel
from kaleido.app.predictor import stored_text_length
from kaleido.app.signatures import Signature
from kaleido.atomic import folder_written_atomically
from kaleido.backend import keras
from kaleido.constants import LEVELS, PATCH_COUNTS, PATCHES
from kaleido.errors import UserError
from kaleido.text import VOCABULARY_FILES, load_tokenizer

FORMAT = 2
EXTRA = "assets.extra"
"""Folder of a SavedModel that TensorFlow Serving leaves alone."""

ABOUT_FILE, LABELS_FILE = "kaleido.json", "labels.txt"
_SPECIAL = ("pad", "unk", "cls", "sep", "mask")


def export_saved_model(saved: SavedModel, directory: Path) -> list[str]:
    """Writes a SavedModel with the signatures of a model.

    A signature takes what it reads of `token_ids` and `token_mask`, int32 [B, T]; `level1` to `level5`, float32
    [B, n, D]; and `positions`, float32 [B, 55, 5]; B and T are free. What texts and photos need to become such a batch
    lies in `assets.extra`: `kaleido.json`, the vocabulary and, for a classifier, `labels.txt`, a class a line.

    Args:
        saved: Model.
        directory: Folder to write; a SavedModel that was exported before is replaced, and nothing else.

    Returns:
        Names of the signatures.

    Raises:
        UserError: if the backend is not TensorFlow, the folder holds something else, or the disk refuses.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "a SavedModel is written by the TensorFlow backend alone; run this with KERAS_BACKEND=tensorflow, on "
            f"models trained with any. Received: {keras.backend.backend()}"
        )
    directory = Path(directory)
    _check_replaceable(directory)
    signatures = saved.application.signatures(saved.model)
    with folder_written_atomically(directory) as folder:
        _write(saved, signatures, folder)
        extra = folder / EXTRA
        extra.mkdir()
        about = _about(saved, signatures, extra)
        (extra / ABOUT_FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if saved.labels:
            # As many lines as classes, also of a model whose classes were not read by an import.
            lines = "".join(f"{' '.join(label.split())}\n" for label in saved.labels)
            (extra / LABELS_FILE).write_text(lines, encoding="utf-8")
    return list(signatures)


def _about(saved: SavedModel, signatures: Mapping[str, Signature], extra: Path) -> dict[str, Any]:
    """Describes the model, and writes its vocabulary, where it has one, into a folder."""
    content = saved.content
    text: dict[str, Any] = {"vocabulary": None, "max_text_length": stored_text_length(saved), "special_ids": {}}
    # A model of the original release may come without a vocabulary.
    if any(name in content["sha256"] for name in VOCABULARY_FILES):
        tokenizer = load_tokenizer(saved.directory)
        special = {name: getattr(tokenizer, f"{name}_id") for name in _SPECIAL}
        text |= {"vocabulary": tokenizer.save(extra).name, "special_ids": special}
    return {
        "format": FORMAT,
        "class": content["class"],
        "task": content["task"],
        "heads": content["heads"],
        "signatures": {name: list(signature.reads) for name, signature in signatures.items()},
        "text": text,
        "photos": content["processor"].get("photos"),
        "raw_positions": bool(saved.model.config.compatibility.raw_positions),
        "labels": content["labels"],
        "architecture": content["architecture"],
    }


def _check_replaceable(directory: Path) -> None:
    if not directory.name or (directory.exists() and not directory.is_dir()):
        raise UserError(f"{directory}: cannot become a SavedModel; name a new folder")
    if directory.exists() and any(directory.iterdir()) and not (directory / EXTRA / ABOUT_FILE).is_file():
        raise UserError(f"{directory}: holds other files than an exported model; name another folder or empty it")


def _write(saved: SavedModel, signatures: Mapping[str, Signature], folder: Path) -> None:
    import tensorflow as tf

    inputs = _inputs(saved.model.config.feature_size, tf)
    functions = {
        name: tf.function(signature.function, autograph=False).get_concrete_function(
            {array: inputs[array] for array in signature.reads}
        )
        for name, signature in signatures.items()
    }
    module = tf.Module()
    # Only variables that an output depends on: heads of pre-training stay behind. Keras objects do too, which only a
    # Python with Keras could load.
    module.variables_of_answers = [*{id(v): v for f in functions.values() for v in f.variables}.values()]
    try:
        tf.saved_model.save(module, str(folder), signatures=functions)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _inputs(feature_size: int, tf: Any) -> Mapping[str, Any]:
    texts = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("token_ids", "token_mask")}
    levels = {
        f"level{level}": tf.TensorSpec((None, count, feature_size), tf.float32, f"level{level}")
        for level, count in zip(LEVELS, PATCH_COUNTS)
    }
    return {**texts, **levels, "positions": tf.TensorSpec((None, PATCHES, 5), tf.float32, "positions")}
