"""Reads the weights of a PyTorch checkpoint in the old (pre-1.6) layout, without PyTorch and without running anything.

The layout is a row of pickles (magic number, protocol version, system information, the object itself, the keys of its
storages) followed by the storages: an int64 count and the raw little-endian elements of each. An unpickler would call
whatever a file names. Here nothing is unpickled: the opcodes are listed and a few of them understood, namely those that
make up plain values, dicts and tensors; all else is refused.
"""

import math
import os
import pickletools
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
        if (0 not in self.shape and last >= len(elements)) or math.prod(self.shape) > len(elements):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [stride * elements.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, strides).copy()


def _rebuild_tensor(storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE")
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_FUNCTIONS = {"collections OrderedDict": dict, "torch._utils _rebuild_tensor_v2": _rebuild_tensor}


def _read_object(file: BinaryIO) -> Any:
    """The plain value, dict or tensor that the next pickle of a file describes."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = len(stack) - 1 - stack[::-1].index(_MARK)
        values = stack[start + 1 :]
        del stack[start:]
        return values

    for opcode, argument, _ in pickletools.genops(file):
        match opcode.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                stack.append(_MARK)
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case name if name in _LITERALS:
                stack.append(argument)
            case name if name in _EMPTY:
                stack.append(_EMPTY[name]())
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                value = stack.pop()
                stack[-1].append(value)
            case "APPENDS":
                values = since_mark()
                stack[-1].extend(values)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "SETITEMS":
                values = since_mark()
                stack[-1].update(zip(values[::2], values[1::2], strict=True))
            case "GLOBAL":
                stack.append(_named(argument))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                if function not in _FUNCTIONS.values():
                    raise ValueError("it calls what is no function")
                stack.append(function(*arguments))
            case "BUILD":  # attributes of a dict, which say nothing of its tensors
                stack.pop()
            case name:
                raise ValueError(f"it holds {name}, which no dict of tensors needs")
    raise EOFError("it ends within an object")


def _named(name: str) -> Any:
    module, _, kind = name.partition(" ")
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if module == "torch" and kind in STORAGE_DTYPES:
        return kind
    raise ValueError(f"it asks for {module}.{kind}, which is no tensor")


def _storage(description: tuple) -> _Storage:
    kind, storage_type, key = description[:3]
    if kind != "storage":
        raise ValueError(f"unknown persistent object {kind!r}")
    return _Storage(key, STORAGE_DTYPES[storage_type])


def _load(file: BinaryIO) -> dict[str, np.ndarray]:
    if _read_object(file) != MAGIC_NUMBER or _read_object(file) != PROTOCOL_VERSION:
        raise ValueError("no magic number of that layout")
    _read_object(file)  # system information: sizes of C types, always those of STORAGE_DTYPES
    tensors = {name: value for name, value in _read_object(file).items() if isinstance(value, _Tensor)}
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    storages = {}
    for key in _read_object(file):
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
    except Exception as error:  # a damaged or hostile file can raise nearly anything while it is interpreted
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is not a dict of tensors in PyTorch's old layout: {reason}") from error
