"""Reads and writes the original release's TensorFlow 1 checkpoints."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import TypedDict

from kaleido.app.model_folder import load_model, save_model
from kaleido.constants import TASKS
from kaleido.errors import UserError
from kaleido.model.config import Compatibility, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.text import load_tokenizer
from kaleido.untrusted import Count, Finite, read_json

PREFIX = "kaleido_bert_pre_trained_model/"

# Variables of a training checkpoint that do not belong to the model: the step, and Adam's counters and slots.
_SCALARS = ("global_step", "beta1_power", "beta2_power")
_SLOT = re.compile(r"(?P<variable>.+)/(Adam\w*|adam_[mv])")

# Sizes of the original's config.json that are fixed in this model, as in the paper.
_FIXED = {
    "img_rotation_seq_len": 1,
    "img_jigsaw_seq_len": 4,
    "img_camouflage_seq_len": 9,
    "img_greymask_seq_len": 16,
    "img_blankmask_seq_len": 25,
    "img_rotation_label_num": 4,
    "img_jigsaw_label_num": 24,
    "img_camouflage_label_num": 9,
    "masked_greymask_patch_num": 2,
    "masked_blankmask_patch_num": 3,
}
_SHOWN = 8


class Target(NamedTuple):
    """The variable of our model that corresponds to a variable of the original.

    Attributes:
        variable: Variable of our model.
        transposed: Whether the original's matrix is the transpose of ours.
    """

    variable: keras.Variable
    transposed: bool = False


def require_tensorflow() -> None:
    """Checks that the backend is TensorFlow, which reads and writes the original's checkpoints.

    Raises:
        UserError: if Keras runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "the original's checkpoints are read and written by TensorFlow; unset KERAS_BACKEND. "
            f"Received: {keras.backend.backend()}"
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that `import_original` saved.

    Attributes:
        directory: Folder of the model.
        config: Architecture of the model.
        variables: Number of variables.
        step: Training step of the checkpoint; None if it is not stored.
        vocabulary: Whether a vocabulary was saved with the model, which predictions from texts need.
    """

    directory: Path
    config: ModelConfig
    variables: int
    step: int | None
    vocabulary: bool

    def __str__(self) -> str:
        config = self.config
        step = "" if self.step is None else f" of step {self.step:,}"
        text = (
            f"{self.directory}: {self.variables} variables{step}; {config.num_layers} layers, {config.hidden_size} "
            f"wide, {config.num_heads} heads, {config.vocab_size:,} tokens, feature size {config.feature_size:,}, "
            "with all quirks of the original"
        )
        if not self.vocabulary:
            text += "\nno vocabulary is saved with it; predictions from texts need one: name it by --vocabulary"
        return text


def import_original(
    checkpoint: Path, directory: Path, vocabulary: Path | None = None, num_heads: int | None = None
) -> Imported:
    """Converts a checkpoint of the original to a saved model, in compatibility mode.

    Args:
        checkpoint: Name of the checkpoint; see `OriginalCheckpoint`.
        directory: Folder to write the model to; an existing model is replaced.
        vocabulary: `vocab.txt`, or a folder with it, to save with the model.
        num_heads: Number of attention heads; see `OriginalCheckpoint.model_config`.

    Raises:
        UserError: if the checkpoint is damaged or does not fit the vocabulary; then nothing is written.
    """
    require_tensorflow()
    source = OriginalCheckpoint(checkpoint)
    config = source.model_config(num_heads)
    tokenizer = load_tokenizer(Path(vocabulary)) if vocabulary else None
    if tokenizer and tokenizer.vocab_size != config.vocab_size:
        raise UserError(
            f"{vocabulary}: must have the number of tokens of the checkpoint, {config.vocab_size:,}. "
            f"Received: {tokenizer.vocab_size:,}"
        )
    model = KaleidoBert(config)
    source.load_into(model)
    save_model(Path(directory), model, "pretraining", tokenizer, records={"original_checkpoint": source.path.name})
    return Imported(Path(directory), config, len(model.weights), source.step, tokenizer is not None)


def export_original(directory: Path, checkpoint: Path) -> int:
    """Writes a saved model as a checkpoint with the original's names and shapes.

    Args:
        directory: Folder of the model.
        checkpoint: Name of the checkpoint, without `.index`.

    Returns:
        Number of variables that were written.

    Raises:
        UserError: if the model lacks one of the seven heads, or the checkpoint cannot be written.
    """
    require_tensorflow()
    model = load_model(Path(directory)).model
    save_original(model, Path(checkpoint))
    return len(model.weights)


def variable_table(model: KaleidoBert) -> dict[str, Target]:
    """Maps the name of every variable of the original, misspellings included, to the variable of our model.

    Args:
        model: Model with all seven heads.

    Raises:
        UserError: if a head is missing.
    """
    missing = [task for task in TASKS if task not in model.heads]
    if missing:
        raise UserError(f"the original's model has all seven heads; this one lacks {', '.join(missing)}")
    text, patch, heads = model.text_embedding, model.patch_embedding, model.heads
    table = {
        "bert/embeddings/word_embeddings": Target(text.token.embeddings),
        "bert/embeddings/position_embeddings": Target(text.positions),
        "bert/embeddings/token_type_embeddings": Target(text.types),
        **_norm("bert/embeddings/LayerNorm", text.norm),
        "bert/position_dense": Target(patch.position.kernel),
        **_level("bert/rotation_embeddings/rotation", model, 0),
        **_level("bert/jigsaw_embeddings/jigsaw", model, 1),
        **_level("bert/camouflage_embeddings/camouflage", model, 2),
        **_level("bert/greymask_embeddings/greymask", model, 3),
        **_level("bert/blank_embeddings/blankmask", model, 4),
        **_dense("bert/pooler/dense", model.pooler),
        **_dense("cls/predictions/transform/dense", heads["mlm"].transform),
        **_norm("cls/predictions/transform/LayerNorm", heads["mlm"].norm),
        "cls/predictions/output_bias": Target(heads["mlm"].bias),
        "cls/seq_relationship/output_weights": Target(heads["itm"].dense.kernel, True),
        "cls/seq_relationship/output_bias": Target(heads["itm"].dense.bias),
        "cls/img_rotation/rotation_output_weights": Target(heads["rotation"].dense.kernel, True),
        "cls/img_rotation/rotation_output_bias": Target(heads["rotation"].dense.bias),
        "cls/img_jigsaw/jiasaw_output_weights": Target(heads["jigsaw"].dense.kernel, True),
        "cls/img_jigsaw/jigsaw_output_bias": Target(heads["jigsaw"].dense.bias),
        "cls/img_camouflage/camouflage_output_weights": Target(heads["camouflage"].dense.kernel, True),
        "cls/img_camouflage/camouflage_output_bias": Target(heads["camouflage"].dense.bias),
        "cls/img_greymask/greymask_output_weights": Target(heads["grey"].dense.kernel),
        "cls/img_blankmask/blanmask_output_weights": Target(heads["blank"].dense.kernel),
    }
    for index, block in enumerate(model.encoder.blocks):
        layer = f"bert/encoder/layer_{index}/"
        table |= {
            **_dense(f"{layer}attention/self/query", block.attention.query),
            **_dense(f"{layer}attention/self/key", block.attention.key),
            **_dense(f"{layer}attention/self/value", block.attention.value),
            **_dense(f"{layer}attention/output/dense", block.attention.output_projection),
            **_norm(f"{layer}attention/output/LayerNorm", block.attention_norm),
            **_dense(f"{layer}intermediate/dense", block.intermediate),
            **_dense(f"{layer}output/dense", block.output_projection),
            **_norm(f"{layer}output/LayerNorm", block.output_norm),
        }
    return {PREFIX + name: target for name, target in table.items()}


class OriginalCheckpoint:
    """A TensorFlow 1 checkpoint of the original release.

    Args:
        path: Name without `.index` and `.data-...`, for example `checkpoint/pretrained/kaleidobert.ckpt-50683`.

    Raises:
        UserError: if the checkpoint is missing, truncated or not a checkpoint.
    """

    def __init__(self, path: Path):
        self.path = Path(str(path).removesuffix(".index"))
        if not self.path.with_name(f"{self.path.name}.index").is_file():
            raise UserError(
                f"{self.path}: no such checkpoint; name it without `.index`, with its data file beside it "
                "(scripts/checkpoint/get_checkpoint.sh fetches the original's)"
            )
        with _damage_named(self.path):
            self._reader = tf.train.load_checkpoint(str(self.path))
            self.shapes: dict[str, tuple[int, ...]] = {
                name: tuple(shape) for name, shape in self._reader.get_variable_to_shape_map().items()
            }

    def read(self, name: str) -> np.ndarray:
        """Reads the value of a variable."""
        with _damage_named(self.path):
            return self._reader.get_tensor(name)

    @property
    def step(self) -> int | None:
        """Training step of the checkpoint; None if it is not stored."""
        return int(self.read("global_step")) if "global_step" in self.shapes else None

    def model_config(self, num_heads: int | None = None) -> ModelConfig:
        """Infers the architecture from the shapes, in compatibility mode.

        Args:
            num_heads: Number of attention heads, which cannot be inferred from shapes; by default that of the
                `config.json` beside the checkpoint, or else one head per 64 hidden units, as in the published BERTs.

        Raises:
            UserError: if it is not a Kaleido-BERT, or does not agree with the `config.json` beside it.
        """
        stated = _read_config(self.path.parent / "config.json")
        vocab_size, hidden_size = self._shape("bert/embeddings/word_embeddings")
        layer = PREFIX + "bert/encoder/layer_{}/intermediate/dense/kernel"
        num_layers = 0
        while layer.format(num_layers) in self.shapes:
            num_layers += 1
        if not num_layers:
            raise UserError(f"{self.path}: not a Kaleido-BERT: {layer.format(0)} is missing")
        found = {
            "vocab_size": vocab_size,
            "hidden_size": hidden_size,
            "num_hidden_layers": num_layers,
            "intermediate_size": self._shape("bert/encoder/layer_0/intermediate/dense/kernel")[1],
            "max_position_embeddings": self._shape("bert/embeddings/position_embeddings")[0],
            "type_vocab_size": self._shape("bert/embeddings/token_type_embeddings")[0],
            "patch_type_vocab_size": self._shape("bert/rotation_embeddings/rotation_type_embeddings")[0],
            "patch_feature_size": self._shape("bert/rotation_embeddings/rotation_projector")[0],
            **_FIXED,
        }
        different = [
            f"{key} {stated[key]}, not {value}" for key, value in found.items() if stated.get(key, value) != value
        ]
        if different:
            raise UserError(
                f"{self.path.parent / 'config.json'}: does not fit the checkpoint beside it, or this model. "
                f"Received: {'; '.join(different)}"
            )
        return ModelConfig(
            vocab_size=vocab_size,
            feature_size=found["patch_feature_size"],
            num_layers=num_layers,
            hidden_size=hidden_size,
            num_heads=num_heads or stated.get("num_attention_heads") or max(hidden_size // 64, 1),
            intermediate_size=found["intermediate_size"],
            max_position_embeddings=found["max_position_embeddings"],
            token_type_vocab_size=found["type_vocab_size"],
            segment_vocab_size=found["patch_type_vocab_size"],
            dropout=stated.get("hidden_dropout_prob", 0.1),
            attention_dropout=stated.get("attention_probs_dropout_prob", 0.1),
            initializer_range=stated.get("initializer_range", 0.02),
            compatibility=Compatibility(original=True),
        )

    def load_into(self, model: KaleidoBert) -> None:
        """Copies every variable into a model.

        Raises:
            UserError: with the names that are missing, unknown or of another shape; then the model is unchanged.
        """
        table = variable_table(model)
        wanted = {name: _original_shape(target) for name, target in table.items()}
        problems = [f"{name} is missing" for name in table if name not in self.shapes]
        extra = [name for name in sorted(set(self.shapes) - set(table)) if not _of_training(name, table)]
        problems += [f"{name} is not known" for name in extra]
        problems += [
            f"{name} is {self.shapes[name]}, the model wants {shape}"
            for name, shape in wanted.items()
            if self.shapes.get(name, shape) != shape
        ]
        if problems:
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            raise UserError(f"{self.path}: does not fit the model: {'; '.join(problems[:_SHOWN])}{more}")
        values = {name: self.read(name) for name in table}
        for name, (variable, transposed) in table.items():
            variable.assign(values[name].T if transposed else values[name])

    def _shape(self, name):
        shape = self.shapes.get(PREFIX + name, ())
        if len(shape) != 2:
            raise UserError(f"{self.path}: not a Kaleido-BERT: {PREFIX + name} is missing or not a matrix")
        return shape


def save_original(model: KaleidoBert, path: Path) -> None:
    """Writes a model as a checkpoint with the original's names and shapes, completely or not at all.

    Args:
        model: Model with all seven heads.
        path: Name of the checkpoint, without `.index`.
    """
    arrays = {
        name: keras.ops.convert_to_numpy(variable).T if transposed else keras.ops.convert_to_numpy(variable)
        for name, (variable, transposed) in variable_table(model).items()
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".") as temporary:
        try:
            tf.raw_ops.SaveV2(
                prefix=str(Path(temporary) / path.name),
                tensor_names=list(arrays),
                shape_and_slices=[""] * len(arrays),
                tensors=[np.ascontiguousarray(array, np.float32) for array in arrays.values()],
            )
        except tf.errors.OpError as error:
            raise UserError(f"{path}: cannot be written: {error.message}") from None
        # The index is moved last, because the data file alone does not count as a checkpoint.
        for file in sorted(Path(temporary).iterdir(), key=lambda file: file.suffix == ".index"):
            file.replace(path.parent / file.name)


def _original_shape(target: Target) -> tuple[int, ...]:
    shape = tuple(target.variable.shape)
    return shape[::-1] if target.transposed else shape


def _of_training(name: str, table: Mapping[str, Target]) -> bool:
    """Tells whether a variable belongs to the training state: the step or the optimizer."""
    slot = _SLOT.fullmatch(name)
    return name in _SCALARS or (slot is not None and slot["variable"] in table)


def _level(name: str, model: KaleidoBert, index: int) -> dict[str, Target]:
    patch = model.patch_embedding
    return {
        f"{name}_projector": Target(patch.projections[index].kernel),
        f"{name}_type_embeddings": Target(patch.segments[index]),
        **_norm(f"{name}EmbLayerNorm", patch.norms[index]),
    }


def _dense(name: str, layer: keras.layers.Dense) -> dict[str, Target]:
    return {f"{name}/kernel": Target(layer.kernel), f"{name}/bias": Target(layer.bias)}


def _norm(name: str, layer: keras.layers.LayerNormalization) -> dict[str, Target]:
    return {f"{name}/gamma": Target(layer.gamma), f"{name}/beta": Target(layer.beta)}


class _Stated(TypedDict, total=False):
    num_attention_heads: Count
    hidden_dropout_prob: Finite
    attention_probs_dropout_prob: Finite
    initializer_range: Finite


def _read_config(path: Path) -> dict[str, Any]:
    """Reads the original's `config.json`; returns an empty dict if there is none."""
    return read_json(path, _Stated) if path.exists() else {}


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError) as error:
        raise UserError(f"{path}: damaged or not a checkpoint: {' '.join(str(error).split())}") from None
