"""A saved model as a TensorFlow SavedModel, for servers that have neither Kaleido nor Keras."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaleido.app.model_folder import WEIGHTS_FILE, SavedModel, load_model, max_text_length, read_model_config
from kaleido.atomic import folder_written_atomically
from kaleido.backend import keras
from kaleido.constants import LEVELS, PATCH_COUNTS, PATCHES
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.pretrained.signatures import signatures_of
from kaleido.text import load_tokenizer

FORMAT = 1
EXTRA = "assets.extra"
"""Where TensorFlow Serving looks for nothing and leaves everything alone."""

ABOUT_FILE, LABELS_FILE = "kaleido.json", "labels.txt"


def export_saved_model(model: Path, directory: Path) -> list[str]:
    """Writes a SavedModel with the signatures of `kaleido.pretrained.signatures`.

    Each takes `token_ids` and `token_mask`, int32 [B, T]; `level1` to `level5`, float32 [B, n, D]; and `positions`,
    float32 [B, 55, 5]; B and T are free. What texts and photos need to become such a batch lies in `assets.extra`:
    `kaleido.json`, the vocabulary, and of a recogniser `labels.txt`, a class a line.

    Args:
        model: A run's `model` folder.
        directory: Where; a SavedModel that was exported before is replaced, and nothing else.

    Returns:
        Names of the signatures.

    Raises:
        UserError: if the backend is not TensorFlow, the model is none or answers nothing, the folder holds something
            else, or the disk refuses.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "a SavedModel is written by the TensorFlow backend alone; run this with KERAS_BACKEND=tensorflow, on "
            f"models trained with any. Received: {keras.backend.backend()}"
        )
    directory = Path(directory)
    _check_replaceable(directory)
    content = read_model_config(model)
    loaded = load_model(model)
    names = [*signatures_of(loaded)]
    if not names:
        raise UserError(
            f"{model}: {content['class'].lower()} without an encoder answer none of embed, classify and match; export "
            "a model of `pretrain`, or of `finetune` for another task"
        )
    with folder_written_atomically(directory) as folder:
        _write(loaded, folder)
        extra = folder / EXTRA
        extra.mkdir()
        if content["sha256"].keys() - {WEIGHTS_FILE}:
            tokenizer = load_tokenizer(Path(model))
            vocabulary = tokenizer.save(extra).name
            special = {name: getattr(tokenizer, f"{name}_id") for name in ("pad", "unk", "cls", "sep", "mask")}
        else:
            vocabulary, special = None, {}
        if content["labels"]:
            (extra / LABELS_FILE).write_text("".join(f"{label}\n" for label in content["labels"]), encoding="utf-8")
        about = {
            "format": FORMAT,
            "class": content["class"],
            "tasks": content["tasks"],
            "signatures": names,
            "text": {"vocabulary": vocabulary, "max_text_length": max_text_length(content), "special_ids": special},
            "photos": content["records"].get("config"),
            "raw_positions": bool(loaded.config.compatibility.raw_positions),
            "labels": content["labels"],
            "model": content["model"],
        }
        (extra / ABOUT_FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return names


def _check_replaceable(directory: Path) -> None:
    if not directory.name or (directory.exists() and not directory.is_dir()):
        raise UserError(f"{directory}: cannot become a SavedModel; name a new folder")
    if directory.exists() and any(directory.iterdir()) and not (directory / EXTRA / ABOUT_FILE).is_file():
        raise UserError(f"{directory}: holds other files than an exported model; name another folder or empty it")


def _write(model: SavedModel, folder: Path) -> None:
    import tensorflow as tf

    inputs = _inputs(model.config, tf)
    functions = {
        name: tf.function(signature, autograph=False).get_concrete_function(inputs)
        for name, signature in signatures_of(model).items()
    }
    module = tf.Module()
    # Of the weights those that an answer depends on: heads of pre-training stay behind. Keras objects do too, which
    # only a Python with Keras could load.
    module.variables_of_answers = [*{id(v): v for f in functions.values() for v in f.variables}.values()]
    try:
        tf.saved_model.save(module, str(folder), signatures=functions)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _inputs(config: ModelConfig, tf: Any) -> Mapping[str, Any]:
    texts = {name: tf.TensorSpec((None, None), tf.int32, name) for name in ("token_ids", "token_mask")}
    levels = {
        f"level{level}": tf.TensorSpec((None, count, config.feature_size), tf.float32, f"level{level}")
        for level, count in zip(LEVELS, PATCH_COUNTS)
    }
    return {**texts, **levels, "positions": tf.TensorSpec((None, PATCHES, 5), tf.float32, "positions")}
