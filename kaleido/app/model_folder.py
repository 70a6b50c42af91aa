"""A saved model: a folder with all that is needed to use it."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kaleido.atomic import folder_written_atomically
from kaleido.checksums import file_sha256, seal, unseal
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.config import PipelineConfig
from kaleido.tasks.captioning.model import Captioner
from kaleido.tasks.classification.model import Recognizer
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import Towers
from kaleido.text import Tokenizer

SavedModel = KaleidoBert | Recognizer | Captioner | Matcher | Towers

FORMAT = 2
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.weights.h5"

_ARCHITECTURE = (
    "vocab_size",
    "feature_size",
    "num_layers",
    "hidden_size",
    "num_heads",
    "intermediate_size",
    "max_position_embeddings",
    "token_type_vocab_size",
    "segment_vocab_size",
    "compatibility.raw_positions",
)


class _WeightsInMemory(io.BytesIO):
    """Where Keras writes weights: HDF5 brings the process down where a disk refuses what it writes."""

    def __str__(self):
        return WEIGHTS_FILE  # Keras looks at the name's ending.


def is_model_directory(directory: Path) -> bool:
    """Whether a folder holds a model that was saved here."""
    return (Path(directory) / CONFIG_FILE).is_file() and (Path(directory) / WEIGHTS_FILE).is_file()


def save_model(
    directory: Path,
    model: SavedModel,
    tokenizer: Tokenizer | None,
    metadata: Mapping[str, Any],
    labels: Sequence[str] = (),
    task_config: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model; the folder appears complete or, if one was there, is replaced whole.

    Args:
        directory: Where.
        model: Its config, tasks and weights.
        tokenizer: Its vocabulary, None for a model that comes without one.
        metadata: Of the records that it was trained on: label names and how photos were prepared.
        labels: Names of the classes that it recognises.
        task_config: Of its task, what is needed to use it.

    Raises:
        UserError: if the disk refuses.
    """
    with folder_written_atomically(Path(directory)) as folder:
        weights = _WeightsInMemory()
        model.save_weights(weights)
        (folder / WEIGHTS_FILE).write_bytes(weights.getbuffer())
        if tokenizer:
            tokenizer.save(folder)
        content = {
            "format": FORMAT,
            "class": type(model).__name__,
            "model": model.config.to_dict(),
            "tasks": list(model.tasks),
            "labels": list(labels),
            "task_config": dict(task_config or {}),
            "records": dict(metadata),
            "sha256": {path.name: file_sha256(path) for path in sorted(folder.iterdir())},
        }
        (folder / CONFIG_FILE).write_bytes(seal(content))


def read_model_config(directory: Path) -> dict[str, Any]:
    """The `config.json` of a saved model.

    Raises:
        UserError: if there is none, it is damaged or of another format.
    """
    path = Path(directory) / CONFIG_FILE
    if not is_model_directory(directory):
        raise UserError(f"{path}: no saved model here; name the `model` folder of a run")
    try:
        content = unseal(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if content["format"] != FORMAT:
        raise UserError(f"{path}: a model of another format; expected {FORMAT}. Received: {content['format']}")
    return content


def max_text_length(content: Mapping[str, Any]) -> int:
    """Text positions at most, [CLS] and [SEP] included, that a saved model was trained with.

    Args:
        content: Of its `config.json`.
    """
    # Models that do not say, like the original's, are taken to be trained with the default.
    trained = content["task_config"].get("max_text_length", PipelineConfig.max_text_length)
    return min(trained, content["model"]["max_position_embeddings"])


def load_model(directory: Path) -> SavedModel:
    """Builds a saved model with its weights."""
    content = read_model_config(directory)
    config = ModelConfig.from_dict(content["model"])
    match content["class"]:
        case "Recognizer":
            model = Recognizer(config, content["tasks"][0], len(content["labels"]))
        case "Captioner":
            model = Captioner(config, content["task_config"]["caption_config"]["decoder"])
        case "Matcher":
            model = Matcher(config)
        case "Towers":
            model = Towers(config)
        case _:
            model = KaleidoBert(config, content["tasks"])
    load_weights(model, directory)
    return model


def load_weights(model: SavedModel, directory: Path) -> None:
    """Loads a saved model's weights into a model of the same architecture.

    Raises:
        UserError: naming the first difference of the architectures, or that the weights are damaged.
    """
    directory = Path(directory)
    content = read_model_config(directory)
    saved, wanted = ModelConfig.from_dict(content["model"]).to_dict(), model.config.to_dict()
    for config in (saved, wanted):
        # Weights that were trained on one kind of positions know nothing of the other.
        config["compatibility.raw_positions"] = bool(config["compatibility"]["raw_positions"])
    for key in _ARCHITECTURE:
        if saved[key] != wanted[key]:
            raise UserError(f"{directory}: the saved model's {key} is {saved[key]}. Received: {wanted[key]}")
    if tuple(content["tasks"]) != model.tasks:
        raise UserError(
            f"{directory}: the saved model has the tasks {', '.join(content['tasks'])}. "
            f"Received: {', '.join(model.tasks)}"
        )
    for name, sha256 in content["sha256"].items():
        _check_file(directory / name, sha256)
    model.load_weights(directory / WEIGHTS_FILE)


def _check_file(path: Path, sha256: str) -> None:
    try:
        damaged = file_sha256(path) != sha256
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if damaged:
        raise UserError(f"{path}: damaged: its content does not fit its checksum in {CONFIG_FILE}")
