"""Where photos lie: a folder, a zip or an HDF5 file, read in place and from any thread."""

import lzma
import math
import os
import stat
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from kaleido.catalog.table import nearest
from kaleido.errors import UserError

if TYPE_CHECKING:
    import h5py
    import numpy as np

IMAGES = "input_image"
"""The dataset of an HDF5 source that holds the photos, one a row, as Fashion-Gen publishes them."""

MAX_BYTES = 2**28
"""A larger file, member or row is refused before it is read: a zip of some kilobytes can claim gigabytes."""

# What the zip and HDF5 libraries raise for damaged files, besides OSError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, KeyError, MemoryError)


class Source(ABC):
    """A place that photos are read from.

    Args:
        path: The folder or file.

    Raises:
        UserError: Where it cannot be opened as what it should be.
    """

    kind: ClassVar[str]

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @abstractmethod
    def problem(self, path: str) -> str:
        """Why the file, member or row `path` cannot be read, without reading it; empty where it can."""

    @abstractmethod
    def stamp(self, path: str) -> str:
        """A few characters that change with the content of `path`, found without reading it."""

    @abstractmethod
    def _load(self, path: str) -> "bytes | np.ndarray":
        """The content of a `path` that has no problem; may raise what the format's library raises."""

    def read(self, path: str) -> "bytes | np.ndarray":
        """The content of `path`: encoded bytes, or uint8 [H, W, 3] from HDF5.

        Raises:
            UserError: Where it is missing or damaged.
        """
        if problem := self.problem(path):
            raise UserError(f"{self.path}: {problem}.")
        try:
            return self._load(path)
        except (OSError, *_DAMAGE) as error:
            raise UserError(f"{self.path}: {path!r} cannot be read ({error}); fetch or copy it again.") from error


class FolderSource(Source):
    """Photos as files of a folder and of its sub-folders; links are followed, for they are the user's own."""

    kind = "folder"

    def __init__(self, path: str | Path):
        super().__init__(path)
        if not os.path.isdir(self.path):
            raise UserError(f"{self.path} is not a folder; correct the path.")

    def problem(self, path: str) -> str:
        if _leads_out(path):
            return f"{path!r} leads out of the folder"
        try:
            status = (self.path / path).stat()
        except (OSError, ValueError):
            return f"{path!r} does not exist in the folder"
        if not stat.S_ISREG(status.st_mode):
            return f"{path!r} is not a file"
        if not os.access(self.path / path, os.R_OK):
            return f"{path!r} may not be read by you"
        return _size_problem(path, status.st_size)

    def stamp(self, path: str) -> str:
        return self.problem(path) or str((self.path / path).stat().st_size)

    def _load(self, path: str) -> bytes:
        return (self.path / path).read_bytes()


class ZipSource(Source):
    """Photos as members of a zip file, which is never unpacked."""

    kind = "zip"

    def __init__(self, path: str | Path):
        super().__init__(path)
        if not os.path.isfile(self.path):
            raise UserError(f"{self.path} is not a zip file; correct the path.")
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _DAMAGE as error:
            raise UserError(f"{self.path} is not a zip file, or not all of one; fetch or copy it again.") from error
        except OSError as error:
            raise UserError(f"{self.path} cannot be opened ({error.strerror}); correct the path.") from error
        self._lock = threading.Lock()
        self._members = {info.filename: info for info in self._zip.infolist()}
        self._copies = Counter(info.filename for info in self._zip.infolist())

    def problem(self, path: str) -> str:
        if _leads_out(path):
            return f"{path!r} leads out of the zip"
        info = self._members.get(path)
        if info is None:
            return f"{path!r} does not exist in the zip"
        if stat.S_ISLNK(info.external_attr >> 16):
            return f"{path!r} is a symbolic link in the zip"
        if info.is_dir():
            return f"{path!r} is not a file"
        if info.flag_bits & 0x1:
            return f"{path!r} is encrypted"
        if self._copies[path] > 1:
            return f"{path!r} is in the zip {self._copies[path]} times"
        return _size_problem(path, info.file_size)

    def stamp(self, path: str) -> str:
        return self.problem(path) or f"{self._members[path].CRC:08x}"

    def _load(self, path: str) -> bytes:
        with self._lock:
            return self._zip.read(path)


class Hdf5Source(Source):
    """Photos as rows of the dataset `input_image` of an HDF5 file; one row is in memory at a time.

    Attributes:
        columns: The names of all datasets.
    """

    kind = "hdf5"

    def __init__(self, path: str | Path):
        import h5py

        super().__init__(path)
        if not os.path.isfile(self.path):
            raise UserError(f"{self.path} does not exist; correct the path.")
        try:
            self._file = h5py.File(self.path, "r")
            self.columns = tuple(map(str, self._file))
        except (OSError, *_DAMAGE) as error:
            raise UserError(f"{self.path} is not an HDF5 file, or not all of one; fetch or copy it again.") from error
        images = self.column(IMAGES)
        if images.dtype != "uint8" or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(
                f"{self.path}: {IMAGES!r} must be uint8 [N, H, W, 3]. Received: {images.dtype} {list(images.shape)}."
            )
        if math.prod(images.shape[1:]) > MAX_BYTES or len(images) > self.path.stat().st_size:
            raise UserError(
                f"{self.path}: {IMAGES!r} claims more than such a file can hold; fetch it again. "
                f"Received: {list(images.shape)}."
            )
        self._images = images
        self._bytes = self.path.stat().st_size
        self._lock = threading.Lock()

    def column(self, name: str) -> "h5py.Dataset":
        """The dataset `name`.

        Raises:
            UserError: Where it is missing, damaged, or lies in another file: HDF5 would open any that it names.
        """
        import h5py

        try:
            link = self._file.get(name, getlink=True)
            column = self._file[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(column, h5py.Dataset) and not (column.is_virtual or column.external) and column.dtype:
                return column
        except (OSError, TypeError, *_DAMAGE) as error:
            raise UserError(f"{self.path}: {name!r} cannot be read ({error}); fetch or copy it again.") from error
        if isinstance(column, h5py.Dataset) or isinstance(link, h5py.ExternalLink | h5py.SoftLink):
            raise UserError(f"{self.path}: {name!r} is but a link to data elsewhere; give a file that holds its own.")
        raise UserError(
            f"{self.path} has no column {name!r}{nearest(name, self.columns)}; give a file as Fashion-Gen publishes. "
            f"Received: {', '.join(self.columns) or 'nothing'}."
        )

    def problem(self, path: str) -> str:
        if path.isascii() and path.isdigit() and len(path) < 19 and int(path) < len(self._images):
            return ""
        return f"there is no row {path!r} among {len(self._images)}"

    def stamp(self, path: str) -> str:
        return f"{path} of {self._bytes}"

    def _load(self, path: str) -> "np.ndarray":
        with self._lock:
            return self._images[int(path)]


KINDS = {source.kind: source for source in (FolderSource, ZipSource, Hdf5Source)}


def open_source(path: str | Path, kind: str = "") -> Source:
    """Opens a source of the given kind (`folder`, `zip`, `hdf5`); without one, a folder or else a zip.

    Raises:
        UserError: Where nothing lies there, or something else does.
    """
    if not os.path.exists(path):
        raise UserError(f"{path} does not exist; correct the path.")
    return KINDS[kind or ("folder" if os.path.isdir(path) else "zip")](path)


def _size_problem(path: str, size: int) -> str:
    if size > MAX_BYTES:
        return f"{path!r} is too large: {size:,} bytes, and at most {MAX_BYTES:,} are read"
    return "" if size else f"{path!r} is an empty file"


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path)
    return parts.is_absolute() or ".." in parts.parts
