"""A saved model: a folder with all that is needed to use it."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.text import Tokenizer

FORMAT = 1
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.weights.h5"


def is_model_directory(directory: Path) -> bool:
    """Whether a folder holds a model that was saved here."""
    try:
        return json.loads((Path(directory) / CONFIG_FILE).read_text(encoding="utf-8")).get("class") == "KaleidoBert"
    except (OSError, ValueError, AttributeError):
        return False


def save_model(directory: Path, model: KaleidoBert, tokenizer: Tokenizer, metadata: Mapping[str, Any]) -> None:
    """Writes a model; the folder appears complete or, if one was there, is replaced whole.

    Args:
        directory: Where.
        model: Its config, tasks and weights.
        tokenizer: Its vocabulary.
        metadata: Of the records that it was trained on: label names and how photos were prepared.
    """
    directory = Path(directory)
    temporary = directory.with_name(f".{directory.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    content = {
        "format": FORMAT,
        "class": "KaleidoBert",
        "model": model.config.to_dict(),
        "tasks": list(model.tasks),
        "records": dict(metadata),
    }
    (temporary / CONFIG_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    model.save_weights(temporary / WEIGHTS_FILE)
    tokenizer.save(temporary)
    shutil.rmtree(directory, ignore_errors=True)
    os.replace(temporary, directory)


def read_model_config(directory: Path) -> dict[str, Any]:
    """The `config.json` of a saved model.

    Raises:
        UserError: if there is none or it is of another format.
    """
    path = Path(directory) / CONFIG_FILE
    if not is_model_directory(directory):
        raise UserError(f"{path}: no saved model here; name the `model` folder of a run")
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise UserError(f"{path}: a model of another format; expected {FORMAT}. Received: {content['format']}")
    return content


def load_model(directory: Path) -> KaleidoBert:
    """Builds a saved model with its weights."""
    content = read_model_config(directory)
    model = KaleidoBert(ModelConfig.from_dict(content["model"]), content["tasks"])
    load_weights(model, directory)
    return model


def load_weights(model: KaleidoBert, directory: Path) -> None:
    """Loads a saved model's weights into a model of the same architecture.

    Raises:
        UserError: naming the first difference of the architectures, or that the weights are damaged.
    """
    directory = Path(directory)
    content = read_model_config(directory)
    saved, wanted = ModelConfig.from_dict(content["model"]).to_dict(), model.config.to_dict()
    for key in ("vocab_size", "feature_size", "num_layers", "hidden_size", "num_heads", "intermediate_size"):
        if saved[key] != wanted[key]:
            raise UserError(f"{directory}: the saved model's {key} is {saved[key]}. Received: {wanted[key]}")
    if tuple(content["tasks"]) != model.tasks:
        raise UserError(
            f"{directory}: the saved model has the tasks {', '.join(content['tasks'])}. "
            f"Received: {', '.join(model.tasks)}"
        )
    try:
        model.load_weights(directory / WEIGHTS_FILE)
    except (OSError, ValueError) as error:
        raise UserError(f"{directory / WEIGHTS_FILE}: weights cannot be read: {' '.join(str(error).split())}") from None
