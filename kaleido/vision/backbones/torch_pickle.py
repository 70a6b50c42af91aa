"""Reads the weights of a PyTorch checkpoint in the old (pre-1.6) layout, without PyTorch and without running anything.

The layout is a row of pickles (magic number, protocol version, system information, the object itself, the keys of its
storages) followed by the storages: an int64 count and the raw little-endian elements of each. A plain unpickler would
call whatever a file names; this one admits ordered dicts, tensors and storages, and refuses all else.
"""

import collections
import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from kaleido.errors import UserError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

STORAGE_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


class _Storage(NamedTuple):
    key: str
    dtype: str


class _Tensor(NamedTuple):
    """A tensor whose elements are read later: in this layout the storages follow the object that refers to them."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        elements = storages[self.storage.key]
        if min((self.offset, *self.shape, *self.strides)) < 0:
            raise ValueError("negative tensor geometry")
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if 0 not in self.shape and last >= len(elements):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [stride * elements.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, strides).copy()


def _rebuild_tensor(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


class _TensorUnpickler(pickle.Unpickler):
    """Admits the names that a dict of tensors needs; storages are types in PyTorch and only their names here."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key = pid[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"unknown persistent object {kind!r}")
        return _Storage(key, STORAGE_DTYPES[storage_type])


def _load(file: BinaryIO) -> dict[str, np.ndarray]:
    if _TensorUnpickler(file).load() != MAGIC_NUMBER or _TensorUnpickler(file).load() != PROTOCOL_VERSION:
        raise ValueError("no magic number of that layout")
    _TensorUnpickler(file).load()  # system information: sizes of C types, always those of STORAGE_DTYPES
    tensors = {name: value for name, value in _TensorUnpickler(file).load().items() if isinstance(value, _Tensor)}
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages = {}
    for key in _TensorUnpickler(file).load():
        count = int.from_bytes(file.read(8), "little")
        dtype = np.dtype(dtypes[key])
        raw = file.read(count * dtype.itemsize)
        if len(raw) != count * dtype.itemsize:
            raise EOFError("the file ends within a storage")
        storages[key] = np.frombuffer(raw, dtype)
    return {name: tensor.read(storages) for name, tensor in tensors.items()}


def load_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads a state dict.

    Args:
        path: A `.pth` file in PyTorch's old layout (what `torch.save` wrote before version 1.6).

    Returns:
        The arrays by name, in the file's order, with the dtypes and shapes that PyTorch gave them.

    Raises:
        UserError: There is no such file, it is damaged or of another layout, or it asks for more than tensors.
    """
    try:
        with Path(path).open("rb") as file:
            return _load(file)
    except OSError as error:
        raise UserError(f"cannot read the weights {path}: {error.strerror}") from error
    except Exception as error:  # a damaged or hostile pickle can raise anything while it is being interpreted
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is not a dict of tensors in PyTorch's old layout: {reason}") from error
