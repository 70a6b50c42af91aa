"""Format of all trained networks: a folder with `config.json`, `model.safetensors` and other plain files.

`config.json` describes the network and holds the checksum of every other file and of itself; nothing is pickled and
nothing in the folder is executed. Pre-trained and fine-tuned models, two-tower models, the aligner and the saliency
network are all kept in it.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save
from typing_extensions import TypedDict

from kaleido.atomic import folder_written_atomically
from kaleido.checksums import file_sha256, seal, unseal
from kaleido.errors import UserError
from kaleido.untrusted import MAX_FILE, InnerName, Sha256, Text, checked, inner_file, open_plain, read_plain

FORMAT = 3
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
CARD_FILE = "README.md"
"""Model card; the one file without a checksum, because people write into it."""

NetworkContent = TypedDict(
    "NetworkContent",
    {"format": int, "class": Text, "sha256": Annotated[dict[InnerName, Sha256], Field(min_length=1, max_length=1000)]},
)
"""Schema of the `config.json` of any network; each kind of network has one that goes on from it."""

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of arrays by name."""


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


def read_network_config(directory: Path, schema: Any = NetworkContent) -> dict[str, Any]:
    """Reads the `config.json` of a saved network.

    Args:
        directory: Folder of the network.
        schema: What the file must hold, a `TypedDict` that goes on from `NetworkContent`.

    Raises:
        UserError: if there is none, it is damaged or has another format, or a key does not fit the schema.
    """
    path = Path(directory) / CONFIG_FILE
    if not is_network_folder(directory):
        raise UserError(f"{path}: no saved model here; name the `model` folder of a run")
    return parse_network_config(read_plain(inner_file(Path(directory), CONFIG_FILE)), path, schema)


def parse_network_config(data: bytes, path: Path | str, schema: Any = NetworkContent) -> dict[str, Any]:
    """Reads the bytes of a `config.json`.

    Args:
        data: Content of the file.
        path: Path or address of the file, for messages.
        schema: As for `read_network_config`.

    Raises:
        UserError: as `read_network_config` does.
    """
    try:
        content = unseal(data)
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}") from None
    if content.get("format") != FORMAT:
        raise UserError(
            f"{path}: a model of another format, saved by another version of Kaleido; train or import it again. "
            f"Received: {content.get('format')!r:.100}, expected {FORMAT}"
        )
    checked(schema, content, path)
    if WEIGHTS_FILE not in content["sha256"]:
        raise UserError(f"{path}: has no checksum of {WEIGHTS_FILE}; it was altered, get the model again")
    return content


def check_files(directory: Path, content: Mapping[str, Any]) -> None:
    """Compares the checksums of a network's files.

    Args:
        directory: Folder of the network.
        content: Its `config.json`, as `read_network_config` gives it.

    Raises:
        UserError: naming the first file that was altered, is no plain file, or lies outside the folder.
    """
    for name, sha256 in content["sha256"].items():
        path = inner_file(Path(directory), name)
        if file_sha256(path, MAX_FILE) != sha256:
            raise UserError(f"{path}: damaged: its content does not match its checksum in {CONFIG_FILE}")


def load_variables(directory: Path, content: Mapping[str, Any], variables: Sequence[Any]) -> None:
    """Loads the weights of a saved network into variables of the same names and shapes.

    Args:
        directory: Folder of the network.
        content: Its `config.json`, as `read_network_config` gives it.
        variables: Keras variables; unchanged if anything is wrong.

    Raises:
        UserError: as `check_files` and `load_weights` do.
    """
    check_files(directory, content)
    load_weights(Path(directory) / WEIGHTS_FILE, variables)


def read_shapes(path: Path) -> Shapes:
    """Reads the shapes of the arrays of a safetensors file, without the arrays.

    Raises:
        UserError: if it cannot be read.
    """
    open_plain(path, MAX_FILE).close()
    try:
        with safe_open(path, "numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: damaged, or not a file of weights: {error}") from None


def copy_network(directory: Path, target: Path) -> None:
    """Copies a network's folder: the files that its `config.json` names, and no others.

    Raises:
        UserError: if it is damaged.
    """
    content = read_network_config(directory)
    for name in (CONFIG_FILE, *content["sha256"]):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(inner_file(directory, name), target / name)
    check_files(target, content)


def is_weights_file(path: Path) -> bool:
    """Tells whether a file is a safetensors file, an HDF5 file or a Keras archive, by what is in it."""
    try:
        if path.suffix in (".h5", ".keras"):
            with open_plain(path, MAX_FILE) as file:
                return file.read(4) in (b"\x89HDF", b"PK\3\4")
        return bool(read_shapes(path))
    except UserError:
        return False


class Size(NamedTuple):
    """A size of a network that its weights have too.

    Attributes:
        ends: Last parts of the names of the arrays that have it.
        axis: Axis of these arrays; None where it is the number of such arrays.
    """

    ends: tuple[str, ...]
    axis: int | None = 0


def check_sizes(path: Path, shapes: Shapes, architecture: Mapping[str, Any], sizes: Mapping[str, Size]) -> None:
    """Checks what `config.json` says of a network's sizes against the weights, before a network of them is built.

    Args:
        path: File of the weights, for the message.
        shapes: Shapes of its arrays.
        architecture: Sizes by key.
        sizes: Where the weights have them.

    Raises:
        UserError: naming the first size that differs, or that no array has.
    """
    for key, size in sizes.items():
        arrays = [shape for name, shape in shapes.items() if name.endswith(size.ends)]
        found = {len(arrays)} if size.axis is None else {shape[size.axis : size.axis + 1] for shape in arrays}
        wanted = architecture[key] if size.axis is None else (architecture[key],)
        if found != {wanted}:
            raise UserError(
                f"{path.parent / CONFIG_FILE}: {key} does not fit the weights; the file was altered, get the model "
                f"again. Received: {architecture[key]}"
            )


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
    shapes = read_shapes(path)
    wanted = {variable.path: tuple(variable.shape) for variable in variables}
    for name in sorted(wanted.keys() ^ shapes.keys()):
        problem = "missing" if name in wanted else "unknown"
        raise UserError(f"{path}: {name} is {problem}; it belongs to another network")
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise UserError(f"{path}: {name} has the shape {list(wanted[name])}. Received: {list(shape)}")
    try:
        arrays = load(read_plain(path, MAX_FILE))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:  # types of numbers that NumPy does not have
        raise UserError(f"{path}: damaged, or not a file of weights: {error}") from None
    for variable in variables:
        array = arrays[variable.path]
        if array.dtype.kind != np.dtype(variable.dtype).kind:
            raise UserError(f"{path}: {variable.path} must hold {variable.dtype}. Received: {array.dtype}")
        with np.errstate(over="ignore"):  # a float64 may be too large
            arrays[variable.path] = array.astype(variable.dtype)
        if not np.isfinite(arrays[variable.path]).all():
            raise UserError(f"{path}: damaged: {variable.path} holds values that are not finite")
    for variable in variables:
        variable.assign(arrays[variable.path])
