"""Reads files that anyone may have written: plain files of bounded size, and JSON that fits a schema.

A checksum shows damage and no intention, since whoever alters a file can compute it again. So what a file says is
checked before it is used: types, ranges, sizes, and the names of other files. A schema is a dataclass or a `TypedDict`,
which pydantic compares with the content; keys that it does not name are let through.
"""

import functools
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any, TypeVar

import numpy as np
import pydantic
from pydantic_core import from_json, to_json

from kaleido.errors import TooManyFiles, UserError

T = TypeVar("T")

MAX_JSON = 1 << 26
"""Largest description in JSON, in bytes."""

MAX_FILE = 1 << 35
"""Largest file of arrays, in bytes."""

MAX_NAMES = 1_000_000
"""Most names in a list, such as those of classes."""

ADVICE = "it was altered, or written by another version or program"


def is_inner_name(name: str) -> bool:
    """Tells whether a name with slashes is that of a file within a folder."""
    path = PurePosixPath(name)
    return (
        bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not re.search(r"[\0-\x1f\\]", name)
    )


def _inner_name(name: str) -> str:
    if len(name) > 1000 or not is_inner_name(name):
        raise ValueError("must be the relative path of a file inside the folder")
    return name


NO_OTHER_KEYS = pydantic.ConfigDict(extra="forbid")
"""Value of `__pydantic_config__` in a dataclass that refuses keys which it does not name."""

Text = Annotated[str, pydantic.StringConstraints(max_length=100_000)]
Sha256 = Annotated[str, pydantic.StringConstraints(pattern="^[0-9a-f]{64}$")]
InnerName = Annotated[str, pydantic.AfterValidator(_inner_name)]
Names = Annotated[list[Text], pydantic.Field(max_length=MAX_NAMES)]
Count = Annotated[int, pydantic.Field(ge=0, lt=2**40)]
Finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]


def inner_file(folder: Path, name: str) -> Path:
    """Gives the path of a file that something in a folder names.

    Raises:
        UserError: if the name leads out of the folder, also by a symbolic link.
    """
    path = Path(folder) / name
    try:
        inside = is_inner_name(name) and path.resolve().is_relative_to(Path(folder).resolve())
    except (OSError, RuntimeError):  # a loop of symbolic links
        inside = False
    if not inside:
        raise UserError(f"{folder}: a file that it names must lie inside it. Received: {name!r:.200}")
    return path


def check_folder(folder: Path) -> None:
    """Checks that a folder, which a library is to read, has only folders and plain files, none of them elsewhere.

    Raises:
        UserError: naming the first device, pipe, or link that leads out.
    """
    root = Path(folder).resolve()
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                inner_file(root, os.path.relpath(path.parent.resolve() / name, root))
            elif not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise UserError(f"{path}: not a plain file; a device or a pipe is not read")


def open_plain(path: Path, limit: int = MAX_JSON) -> IO[bytes]:
    """Opens a plain file for reading.

    Args:
        path: The file; a symbolic link to one will do.
        limit: Most bytes that it may have.

    Raises:
        UserError: if it cannot be read, is a folder, a device or a pipe, or is too large.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: not a plain file; a folder, a device or a pipe is not read")
        if status.st_size > limit:
            raise UserError(f"{path}: larger than such a file can be, {limit:,} bytes. Received: {status.st_size:,}")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and TooManyFiles.means(error):
            raise TooManyFiles(path) from None
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_plain(path: Path, limit: int = MAX_JSON) -> bytes:
    """Reads a plain file; arguments and errors as for `open_plain`."""
    with open_plain(path, limit) as file:
        size = max(os.fstat(file.fileno()).st_size, 1 << 20)  # files of /proc say that they have none
        data = file.read(min(size, limit) + 1)
    if len(data) > limit:
        raise UserError(f"{path}: larger than such a file can be, {limit:,} bytes")
    return data


def parse_json(data: bytes | str) -> Any:
    """Parses JSON whose nesting, texts and numbers are those of files: at most 200 levels, no NaN, no half characters.

    Raises:
        ValueError: if it is something else.
    """
    return from_json(data, allow_inf_nan=False)


def checked(schema: Any, value: Any, where: Path | str, advice: str = ADVICE) -> Any:
    """Compares a value in JSON types with a schema.

    Args:
        schema: A type that pydantic knows: a dataclass, a `TypedDict`, a list of these.
        value: The value, or the JSON itself as bytes.
        where: File and place, for the message.
        advice: Reason and remedy, for the message.

    Returns:
        The value as the schema has it: dataclasses are built.

    Raises:
        UserError: naming the first key that does not fit.
    """
    try:
        data = value if isinstance(value, bytes) else to_json(value)
        return _adapter(schema).validate_json(data, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"]))
        problem = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        received = f" Received: {first['input']!r:.100}" if first["type"] != "missing" else ""
        raise UserError(
            f"{where}: {key and key + ': '}{problem[:1].lower()}{problem[1:]}; {advice}.{received}"
        ) from None
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {error}; {advice}") from None


@functools.cache
def _adapter(schema: Any) -> pydantic.TypeAdapter:
    return pydantic.TypeAdapter(schema)


@contextmanager
def advised(advice: str) -> Iterator[None]:
    """Adds what to do to the message of a UserError."""
    try:
        yield
    except TooManyFiles:
        raise
    except UserError as error:
        raise UserError(f"{error}; {advice}") from None


def read_json(path: Path, schema: Any = dict[str, Any], advice: str = ADVICE) -> Any:
    """Reads a plain JSON file that fits a schema.

    Raises:
        UserError: naming the file, and the first key that does not fit.
    """
    with advised(advice):
        data = read_plain(path)
    try:
        value = parse_json(data)
    except ValueError as error:
        raise UserError(f"{path} cannot be read ({error}); {advice}") from None
    checked(schema, value, path, advice)
    return value


def read_npz(path: Path, limit: int = 1 << 32) -> dict[str, np.ndarray]:
    """Reads the arrays of an `.npz`, none of which may claim to be larger than it is in the file.

    Raises:
        UserError: if it is no plain file, or a larger one.
        ValueError, OSError, zipfile.BadZipFile, ...: if it is damaged; NumPy and zipfile raise nearly anything.
    """
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with open_plain(path, limit) as file:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{member.filename} is packed")
                with archive.open(member) as array:
                    shape, _, dtype = headers[np.lib.format.read_magic(array)](array)
                if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > member.file_size:
                    raise ValueError(f"{member.filename} says that it is {dtype} {list(shape)}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
