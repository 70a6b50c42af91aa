"""Initialisation from a pre-trained BERT in Hugging Face's safetensors layout."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from kaleido.errors import UserError

if TYPE_CHECKING:
    from kaleido.model.kaleido_bert import KaleidoBert

PREFIX = "bert."

Table = dict[str, tuple[Any, bool]]
"""Keras variable by the name of its array in the file, and whether the array is transposed."""


def load_bert(model: "KaleidoBert", path: Path) -> None:
    """Copies a BERT's embeddings and encoder into a model, and its pooler and MLM head if it has them.

    Patch embeddings and patch heads keep their random values: a BERT has none.

    Args:
        model: Model of the BERT's sizes and vocabulary.
        path: A `model.safetensors`, or a folder with one.

    Raises:
        UserError: names every array that is missing, unknown or of another shape; the model is then unchanged.
    """
    file = _weights_file(Path(path))
    try:
        arrays = load_file(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: not a safetensors file: {error}") from None
    arrays = {name.removeprefix(PREFIX): array for name, array in arrays.items()}
    required, optional = _tables(model)
    table = {**required, **{name: target for name, target in optional.items() if name in arrays}}
    problems = [f"{name} is missing" for name in required if name not in arrays]
    problems += [
        f"{name} is not known" for name in sorted(set(arrays) - set(required) - set(optional)) if not _unused(name)
    ]
    assignments = []
    for name in sorted(set(table) & set(arrays)):
        variable, transposed = table[name]
        value = arrays[name].T if transposed else arrays[name]
        if tuple(variable.shape) != value.shape:
            problems.append(f"{name} is {value.shape}, the model has {tuple(variable.shape)}")
        assignments.append((variable, value))
    if problems:
        raise UserError(
            f"{file}: this BERT does not fit the model; choose its size and its vocabulary: {'; '.join(problems)}"
        )
    for variable, value in assignments:
        variable.assign(value.astype(np.float32))


def _weights_file(path: Path) -> Path:
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{file}: no such BERT; scripts/checkpoint/get_bert.sh fetches one")
    return file


def _unused(name: str) -> bool:
    return name.startswith("cls.seq_relationship.") or name in (
        "embeddings.position_ids",
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    )


def _tables(model: "KaleidoBert") -> tuple[Table, Table]:
    """Returns the arrays that a file must have, and those that it may have."""
    text = model.text_embedding
    required = {
        "embeddings.word_embeddings.weight": (text.token.embeddings, False),
        "embeddings.position_embeddings.weight": (text.positions, False),
        "embeddings.token_type_embeddings.weight": (text.types, False),
        **_norm("embeddings.LayerNorm", text.norm),
    }
    for index, block in enumerate(model.encoder.blocks):
        layer = f"encoder.layer.{index}."
        required |= {
            **_dense(f"{layer}attention.self.query", block.attention.query),
            **_dense(f"{layer}attention.self.key", block.attention.key),
            **_dense(f"{layer}attention.self.value", block.attention.value),
            **_dense(f"{layer}attention.output.dense", block.attention.output_projection),
            **_norm(f"{layer}attention.output.LayerNorm", block.attention_norm),
            **_dense(f"{layer}intermediate.dense", block.intermediate),
            **_dense(f"{layer}output.dense", block.output_projection),
            **_norm(f"{layer}output.LayerNorm", block.output_norm),
        }
    optional = _dense("pooler.dense", model.pooler)
    if "mlm" in model.heads:
        head = model.heads["mlm"]
        optional |= {
            **_dense("cls.predictions.transform.dense", head.transform),
            **_norm("cls.predictions.transform.LayerNorm", head.norm),
            "cls.predictions.bias": (head.bias, False),
        }
    return required, optional


def _dense(name: str, layer: Any) -> Table:
    return {f"{name}.weight": (layer.kernel, True), f"{name}.bias": (layer.bias, False)}


def _norm(name: str, layer: Any) -> Table:
    return {f"{name}.weight": (layer.gamma, False), f"{name}.bias": (layer.beta, False)}
