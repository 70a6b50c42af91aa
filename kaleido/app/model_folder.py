"""Saved models of tasks: network folders with vocabulary, labels and the preparation of photos and texts."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field
from typing_extensions import TypedDict

from kaleido.app.model_card import model_card
from kaleido.app.registry import find_task
from kaleido.checksums import file_sha256
from kaleido.constants import CONTRASTIVE
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.network_folder import (
    CARD_FILE,
    CONFIG_FILE,
    WEIGHTS_FILE,
    NetworkContent,
    Shapes,
    check_files,
    check_sizes,
    copy_network,
    is_network_folder,
    is_weights_file,
    load_variables,
    read_network_config,
    read_shapes,
    write_network,
)
from kaleido.network_folder import load_weights as load_arrays
from kaleido.records.config import PipelineConfig
from kaleido.records.place import ALIGNER
from kaleido.text import VOCABULARY_FILES, Tokenizer, load_tokenizer
from kaleido.untrusted import Count, InnerName, Names, Text, checked, inner_file, read_plain

if TYPE_CHECKING:
    import keras

    from kaleido.app.records_application import RecordsApplication

TRUSTED_VARIABLE = "KALEIDO_TRUSTED"
"""Environment variable that names a list of trusted models: the sha256 of a `config.json` a line."""

_MODELS = {"model_config": "initial_weights", "retrieval_config": "two_tower_model"}
"""Keys of sections that name models."""

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


class _Vocabulary(TypedDict):
    size: Count
    sha256: Text


class _Processor(TypedDict, total=False):
    text_length: Annotated[int, Field(ge=2, le=10_000_000)]
    backbone: Text | None
    photos: dict[str, Any] | None
    vocabulary: _Vocabulary | None
    files: dict[Text, InnerName]


class _Content(NetworkContent):
    task: Text
    architecture: dict[Text, Any]
    heads: Names
    labels: Names
    task_config: dict[Text, Any]
    processor: _Processor
    training: dict[Text, Any]
    records: dict[Text, Any]


class SavedModel(NamedTuple):
    """Model that was loaded from its folder.

    Attributes:
        directory: Folder of the model.
        model: Keras model with its weights.
        content: `config.json` of the folder.
        application: Application class of its task.
    """

    directory: Path
    model: "keras.Model"
    content: dict[str, Any]
    application: "type[RecordsApplication]"

    @property
    def labels(self) -> list[str]:
        """Names of the classes that the model tells apart."""
        return self.content["labels"]

    @property
    def text_length(self) -> int:
        """Longest text in tokens, [CLS] and [SEP] included, that the model was trained with."""
        return text_length(self.content)


def save_model(
    directory: Path,
    model: "keras.Model",
    task: str,
    tokenizer: Tokenizer | None = None,
    *,
    labels: Sequence[str] = (),
    task_config: Mapping[str, Any] | None = None,
    processor: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    records: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    aligner: Path | None = None,
) -> None:
    """Writes a model; the folder appears complete, and an existing one is replaced as a whole.

    Args:
        directory: Folder to write.
        model: Keras model with `config` and `tasks`.
        task: Registered name of its task.
        tokenizer: Tokenizer whose vocabulary goes into the folder; None for a model that comes without one.
        labels: Names of the classes that it tells apart.
        task_config: Sections of the task's configuration that are needed to use it, by name.
        processor: Preparation of photos and texts: `text_length`, `backbone`, `photos` (configuration of `prepare`) and
            `vocabulary`. Weights that `photos` names by path are copied into the folder, under the names in `files`.
        training: Configuration that the model was trained with. Of the models that it names, the last two parts of
            their paths are kept.
        records: Catalogue and fingerprint of the records that it was trained on.
        metrics: Metrics for the model card, which is written as `README.md`.
        aligner: Folder of the aligner of its records, which is copied to the folder `aligner`; may not exist.

    Raises:
        UserError: if the folder cannot be written.
    """
    weights = _named_weights((processor or {}).get("photos") or {})
    if aligner and is_network_folder(aligner):
        weights["aligner"] = ALIGNER, aligner
    content = {
        "class": type(model).__name__,
        "task": task,
        "architecture": model.config.to_dict(),
        "heads": list(model.tasks),
        "labels": list(labels),
        "task_config": _without_folders(task_config or {}),
        "processor": {**(processor or {}), "files": {key: name for key, (name, _) in weights.items()}},
        "training": _without_folders(training or {}),
        "records": dict(records or {}),
    }

    def extra(folder: Path) -> None:
        if tokenizer:
            tokenizer.save(folder)
        for name, path in weights.values():
            (copy_network if path.is_dir() else shutil.copyfile)(path, folder / name)
        (folder / CARD_FILE).write_text(model_card(content, metrics), encoding="utf-8")

    write_network(directory, content, model.weights, extra)


def _without_folders(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Shortens the paths of models that a training read: where they lay tells of one machine, and is not read again."""
    short = {}
    for name, section in sections.items():
        key = _MODELS.get(name)
        known = key and section.get(key)
        short[name] = {**section, key: str(PurePath(*PurePath(known).parts[-2:]))} if known else section
    return short


def _named_weights(photos: Mapping[str, Any]) -> dict[str, tuple[str, Path]]:
    """Finds weights of saliency network and backbone that a preparation named by path: name in the folder, and path."""
    named = {key: Path(photos[key]) for key in ("saliency_weights", "backbone_weights") if photos.get(key)}
    # If a file has been moved since, its path is kept, and using it is an error that names it. What is no network stays
    # where it is: the records may be someone else's, and name any file.
    found = {key: path for key, path in named.items() if is_network_folder(path) or is_weights_file(path)}
    return {key: (f"{key}{path.suffix if path.is_file() else ''}", path) for key, path in found.items()}


def read_model_config(directory: Path) -> dict[str, Any]:
    """Reads the `config.json` of a saved model of a task.

    Raises:
        UserError: if there is none, it is damaged, of another format, or of a network that belongs to no task.
    """
    content = read_network_config(directory)
    if "task" not in content:
        raise UserError(
            f"{directory}: a network of class {content['class']}, which belongs to no task; name the `model` folder of "
            "a run of `pretrain` or `finetune`"
        )
    path = Path(directory) / CONFIG_FILE
    _check_trusted(path)
    checked(_Content, content, path)
    content["architecture"] = ModelConfig.from_dict(content["architecture"], path).to_dict()
    for name, section in find_task(content["task"]).application.sections.items():
        checked(section, content["task_config"].get(name, {}), f"{path}: task_config.{name}")
    named = [*content["processor"].get("files", {}).values()]
    named += [name for name in (*VOCABULARY_FILES, f"{ALIGNER}/{CONFIG_FILE}") if (path.parent / name).exists()]
    for name in named:
        if not any(file == name or file.startswith(f"{name}/") for file in content["sha256"]):
            raise UserError(f"{path}: has no checksum of {name}; it was altered, get the model again")
    return content


def _check_trusted(path: Path) -> None:
    """Raises a UserError if a list of trusted models is given and the checksum of this `config.json` is not in it."""
    if trusted := os.environ.get(TRUSTED_VARIABLE):
        lines = (line.split() for line in read_plain(Path(trusted)).decode(errors="replace").splitlines())
        sha256 = file_sha256(path)
        if sha256 not in {words[0].lower() for words in lines if words}:
            raise UserError(
                f"{path}: this model is not in the list of trusted models {trusted}, which {TRUSTED_VARIABLE} names; "
                f"add the line that `sha256sum {path}` writes, if it is to be trusted. Received: {sha256}"
            )


def text_length(content: Mapping[str, Any]) -> int:
    """Returns the longest text in tokens, [CLS] and [SEP] included, that a saved model reads.

    Args:
        content: `config.json` of the model.
    """
    # Models without this value, like the original's, are assumed to be trained with the default.
    trained = content["processor"].get("text_length", PipelineConfig.max_text_length)
    return min(trained, content["architecture"]["max_position_embeddings"])


def load_model(directory: Path) -> SavedModel:
    """Builds a saved model with its weights.

    Raises:
        UserError: if there is none, it is damaged, or its task is not registered.
    """
    directory = Path(directory)
    content = read_model_config(directory)
    application = find_task(content["task"]).application
    weights = inner_file(directory, WEIGHTS_FILE)
    check_weights(weights, content, application, read_shapes(weights))
    check_files(directory, content)
    _check_vocabulary(directory, content)
    try:
        model = application.create_model(content)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{directory / CONFIG_FILE}: does not describe a model of the task {content['task']} ({error!r:.200}); it "
            "was altered, or saved by another version"
        ) from error
    load_arrays(weights, model.weights)
    return SavedModel(directory, model, content, application)


def check_weights(
    path: Path, content: Mapping[str, Any], application: "type[RecordsApplication]", shapes: Shapes
) -> None:
    """Checks the sizes of a model's `config.json` against its weights, before a model of these sizes is built.

    Args:
        path: File of the weights.
        content: `config.json` of the model.
        application: Application class of its task.
        shapes: Shapes of the arrays.

    Raises:
        UserError: naming the first size that differs.
    """
    check_sizes(path, shapes, content["architecture"], application.weight_sizes)
    if len(content["labels"]) > max((shape[-1] for shape in shapes.values() if shape), default=0):
        raise UserError(
            f"{path.parent / CONFIG_FILE}: names more labels than the weights have classes; it was altered, get the "
            f"model again. Received: {len(content['labels']):,}"
        )


def _check_vocabulary(directory: Path, content: Mapping[str, Any]) -> None:
    if any(name in content["sha256"] for name in VOCABULARY_FILES):
        size, wanted = load_tokenizer(directory).vocab_size, content["architecture"]["vocab_size"]
        if size != wanted:
            raise UserError(f"{directory}: the model reads a vocabulary of {wanted} tokens. Received: {size}")


def load_weights(model: "keras.Model", directory: Path) -> None:
    """Loads a saved model's weights into a model of the same architecture.

    Raises:
        UserError: if the architectures differ (names the first difference) or the weights are damaged.
    """
    content = read_model_config(directory)
    check_architecture(directory, content, model)
    if tuple(content["heads"]) != tuple(model.tasks):
        raise UserError(
            f"{directory}: the saved model has the heads {', '.join(content['heads'])}. "
            f"Received: {', '.join(model.tasks)}"
        )
    load_variables(directory, content, model.weights)


def check_architecture(directory: Path, content: Mapping[str, Any], model: "keras.Model") -> None:
    """Checks that a saved model's body has the sizes of another's, and that a head of `itc` of both reads the same.

    Args:
        directory: Folder of the saved model, for the message.
        content: `config.json` of the saved model.
        model: The other model.

    Raises:
        UserError: naming the first difference.
    """
    # Weights that were trained on one kind of positions cannot be used with the other.
    saved, wanted = (
        {**config, "compatibility.raw_positions": bool(config["compatibility"]["raw_positions"])}
        for config in (content["architecture"], model.config.to_dict())
    )
    reads = ("contrastive_reads",) if CONTRASTIVE in content["heads"] and CONTRASTIVE in model.tasks else ()
    for key in (*_ARCHITECTURE, *reads):
        if saved[key] != wanted[key]:
            raise UserError(f"{directory}: the saved model's {key} is {saved[key]}. Received: {wanted[key]}")
