"""Where photos lie: a folder, a zip or an HDF5 file, read in place and from any thread."""

import lzma
import stat
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from kaleido.errors import UserError

if TYPE_CHECKING:
    import numpy as np

IMAGES = "input_image"
"""The dataset of an HDF5 source that holds the photos, one a row, as Fashion-Gen publishes them."""


# What the zip and HDF5 libraries raise for damaged files, besides OSError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)


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
    """Photos as files of a folder and of its sub-folders."""

    kind = "folder"

    def __init__(self, path: str | Path):
        super().__init__(path)
        if not self.path.is_dir():
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
        return "" if status.st_size else f"{path!r} is an empty file"

    def stamp(self, path: str) -> str:
        return self.problem(path) or str((self.path / path).stat().st_size)

    def _load(self, path: str) -> bytes:
        return (self.path / path).read_bytes()


class ZipSource(Source):
    """Photos as members of a zip file, which is never unpacked."""

    kind = "zip"

    def __init__(self, path: str | Path):
        super().__init__(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _DAMAGE as error:
            raise UserError(f"{self.path} is not a zip file, or not all of one; fetch or copy it again.") from error
        except OSError as error:
            raise UserError(f"{self.path} cannot be opened ({error.strerror}); correct the path.") from error
        self._lock = threading.Lock()
        self._members = {info.filename: info for info in self._zip.infolist()}

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
        return "" if info.file_size else f"{path!r} is an empty file"

    def stamp(self, path: str) -> str:
        return self.problem(path) or f"{self._members[path].CRC:08x}"

    def _load(self, path: str) -> bytes:
        with self._lock:
            return self._zip.read(path)


class Hdf5Source(Source):
    """Photos as rows of the dataset `input_image` of an HDF5 file; one row is in memory at a time."""

    kind = "hdf5"

    def __init__(self, path: str | Path):
        import h5py

        super().__init__(path)
        if not self.path.is_file():
            raise UserError(f"{self.path} does not exist; correct the path.")
        try:
            self.file = h5py.File(self.path)
        except OSError as error:
            raise UserError(f"{self.path} is not an HDF5 file, or not all of one; fetch or copy it again.") from error
        images = self.file.get(IMAGES)
        if not isinstance(images, h5py.Dataset):
            raise UserError(f"{self.path} has no dataset {IMAGES!r}. Received: {', '.join(self.file) or 'nothing'}.")
        if images.dtype != "uint8" or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(
                f"{self.path}: {IMAGES!r} must be uint8 [N, H, W, 3]. Received: {images.dtype} {list(images.shape)}."
            )
        self._images = images
        self._bytes = self.path.stat().st_size
        self._lock = threading.Lock()

    def problem(self, path: str) -> str:
        if path.isascii() and path.isdigit() and int(path) < len(self._images):
            return ""
        return f"there is no row {path!r} among {len(self._images)}"

    def stamp(self, path: str) -> str:
        return f"{path} of {self._bytes}"

    def _load(self, path: str) -> "np.ndarray":
        with self._lock:
            return self._images[int(path)]


_KINDS = {source.kind: source for source in (FolderSource, ZipSource, Hdf5Source)}


def open_source(path: str | Path, kind: str = "") -> Source:
    """Opens a source of the given kind (`folder`, `zip`, `hdf5`); without one, a folder or else a zip.

    Raises:
        UserError: Where nothing lies there, or something else does.
    """
    if not Path(path).exists():
        raise UserError(f"{path} does not exist; correct the path.")
    return _KINDS[kind or ("folder" if Path(path).is_dir() else "zip")](path)


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path)
    return parts.is_absolute() or ".." in parts.parts
