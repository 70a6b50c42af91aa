"""The network's weights in a file: float16, by layer, without pickles."""

from pathlib import Path

import keras
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from kaleido.atomic import write_atomically
from kaleido.errors import UserError

SHIPPED = Path(__file__).with_name("weights.safetensors")
"""Trained on the wardrobe; docs/saliency.md says how."""


def save_weights(network: keras.Model, path: Path) -> None:
    """Writes a network's weights.

    Raises:
        UserError: if the disk refuses.
    """
    arrays = {variable.path: np.asarray(variable.value).astype(np.float16) for variable in network.weights}
    write_atomically(Path(path), save(arrays))


def load_weights(network: keras.Model, path: Path) -> None:
    """Reads what `save_weights` wrote.

    Raises:
        UserError: It cannot be read, is damaged, or belongs to another network.
    """
    try:
        arrays = load(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{path}: the saliency net's weights cannot be read: {error.strerror}") from None
    except SafetensorError as error:
        raise UserError(f"{path}: damaged, or not a file of weights: {error}") from None
    found = {name: array.shape for name, array in arrays.items()}
    if found != {variable.path: tuple(variable.shape) for variable in network.weights}:
        raise UserError(f"{path}: not the weights of the saliency net, or of another version of it")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise UserError(f"{path}: damaged: it holds values that are not finite")
    for variable in network.weights:
        variable.assign(arrays[variable.path].astype(np.float32))
