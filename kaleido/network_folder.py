"""Format of all trained networks: a folder with `config.json`, `model.safetensors` and other plain files.

`config.json` describes the network and holds the checksum of every other file and of itself; nothing is pickled and
nothing in the folder is executed. Pre-trained and fine-tuned models, two-tower models, the aligner and the saliency
network are all kept in it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from kaleido.atomic import folder_written_atomically
from kaleido.checksums import file_sha256, seal, unseal
from kaleido.errors import UserError

FORMAT = 3
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
CARD_FILE = "README.md"
"""Model card; the one file without a checksum, because people write into it."""

_KEYS = ("format", "class", "sha256")


def is_network_folder(directory: Path) -> bool:
    """Tells whether a folder holds a saved network."""
    return (Path(directory) / CONFIG_FILE).is_file() and (Path(directory) / WEIGHTS_FILE).is_file()


def write_network(
    directory: Path,
    content: Mapping[str, Any],
    variables: Sequence[Any],
    extra: Callable[[Path], object] | None = None,
    dtype: str | None = None,
) -> None:
    """Writes a network; the folder appears complete, and an existing one is replaced as a whole.

    Args:
        directory: Folder to write.
        content: Description of the network in JSON types, among them its `class`.
        variables: Keras variables; their paths become the names of the arrays.
        extra: Writes further files (a vocabulary) into the folder that it is given.
        dtype: NumPy dtype to store arrays with; the variables' own if not given.

    Raises:
        UserError: if the folder cannot be written.
    """
    arrays = {variable.path: np.asarray(variable.value) for variable in variables}
    if len(arrays) < len(variables):
        raise ValueError("two variables of the network have the same path")
    if dtype:
        arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    with folder_written_atomically(Path(directory)) as folder:
        (folder / WEIGHTS_FILE).write_bytes(save(arrays))
        if extra:
            extra(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CARD_FILE)
        sums = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
        (folder / CONFIG_FILE).write_bytes(seal({"format": FORMAT, **content, "sha256": sums}))


def read_network_config(directory: Path) -> dict[str, Any]:
    """Reads the `config.json` of a saved network.

    Raises:
        UserError: if there is none, it is damaged or has another format.
    """
    path = Path(directory) / CONFIG_FILE
    if not is_network_folder(directory):
        raise UserError(f"{path}: no saved model here; name the `model` folder of a run")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_network_config(data, path)


def parse_network_config(data: bytes, path: Path | str) -> dict[str, Any]:
    """Reads the bytes of a `config.json`.

    Args:
        data: Content of the file.
        path: Path or address of the file, for messages.

    Raises:
        UserError: if it is damaged or has another format.
    """
    try:
        content = unseal(data)
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if content.get("format") != FORMAT:
        raise UserError(
            f"{path}: a model of another format, saved by another version of Kaleido; train or import it again. "
            f"Received: {content.get('format')}, expected {FORMAT}"
        )
    if missing := [key for key in _KEYS if key not in content]:
        raise UserError(f"{path}: damaged: {missing[0]} is missing")
    return content


def load_variables(directory: Path, content: Mapping[str, Any], variables: Sequence[Any]) -> None:
    """Loads the weights of a saved network into variables of the same names and shapes.

    Args:
        directory: Folder of the network.
        content: Its `config.json`, as `read_network_config` gives it.
        variables: Keras variables; unchanged if anything is wrong.

    Raises:
        UserError: if a file was altered, or naming the first array that is missing, not known, of another shape or not
            finite.
    """
    directory = Path(directory)
    for name, sha256 in content["sha256"].items():
        _check_file(directory / name, sha256)
    load_weights(directory / WEIGHTS_FILE, variables)


def load_weights(path: Path, variables: Sequence[Any]) -> None:
    """Loads a safetensors file into variables of the same names and shapes.

    Args:
        path: The file.
        variables: Keras variables; unchanged if anything is wrong.

    Raises:
        UserError: if it cannot be read, or naming the first array that is missing, not known, of another shape or not
            finite.
    """
    path = Path(path)
    try:
        arrays = load(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except SafetensorError as error:
        raise UserError(f"{path}: damaged, or not a file of weights: {error}") from None
    wanted = {variable.path: tuple(variable.shape) for variable in variables}
    for name in sorted(wanted.keys() ^ arrays.keys()):
        problem = "missing" if name in wanted else "unknown"
        raise UserError(f"{path}: {name} is {problem}; it belongs to another network")
    for name, array in arrays.items():
        if array.shape != wanted[name]:
            raise UserError(f"{path}: {name} has the shape {list(wanted[name])}. Received: {list(array.shape)}")
        if not np.isfinite(array).all():
            raise UserError(f"{path}: damaged: {name} holds values that are not finite")
    for variable in variables:
        variable.assign(arrays[variable.path].astype(variable.dtype))


def _check_file(path: Path, sha256: str) -> None:
    try:
        damaged = file_sha256(path) != sha256
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if damaged:
        raise UserError(f"{path}: damaged: its content does not match its checksum in {CONFIG_FILE}")
