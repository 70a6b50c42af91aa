"""Sources of photos: folders, zips and HDF5 files, read in place; thread-safe."""

import lzma
import math
import os
import stat
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from kaleido.catalog.table import nearest
from kaleido.errors import UserError

if TYPE_CHECKING:
    import h5py
    import numpy as np

IMAGES = "input_image"
"""Dataset of Fashion-Gen's HDF5 files that holds the photos, one a row."""

MAX_BYTES = 2**28
"""Largest file, member or row that is read: a zip of some kilobytes may expand to gigabytes."""

# Exceptions of the zip and HDF5 libraries for damaged files, besides OSError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, KeyError, MemoryError)


class Source(ABC):
    """Folder or file that photos are read from.

    Args:
        path: The folder or file.

    Raises:
        UserError: if it cannot be opened.
    """

    kind: ClassVar[str]

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)

    def __reduce__(self):
        return type(self), (self.path.absolute(),)  # another process opens it itself

    @abstractmethod
    def problem(self, path: str) -> str:
        """Says why the file, member or row `path` cannot be read, without reading it; empty if it can."""

    @abstractmethod
    def stamp(self, path: str) -> str:
        """Returns the size or checksum of `path`, found without reading it, to notice changes."""

    @abstractmethod
    def _load(self, path: str) -> "bytes | np.ndarray":
        """Reads a `path` without problem; may raise exceptions of the format's library."""

    def read(self, path: str) -> "bytes | np.ndarray":
        """Reads `path`: encoded bytes, or uint8 [H, W, 3] from HDF5.

        Raises:
            UserError: if it is missing or damaged.
        """
        if problem := self.problem(path):
            raise UserError(f"{self.path}: {problem}.")
        try:
            return self._load(path)
        except (OSError, *_DAMAGE) as error:
            raise UserError(f"{self.path}: {path!r} cannot be read ({error}); fetch or copy it again.") from error


class FileSource(Source):
    """Source whose photos are files with names."""

    @abstractmethod
    def names(self) -> Iterator[tuple[str, str]]:
        """Lists the files: each of their spellings, and the path of the file. A file may have several spellings."""

    @abstractmethod
    def has(self, path: str) -> bool:
        """Tells whether there is a file of exactly this path; cheap for many files of a folder."""

    @abstractmethod
    def _ends(self, path: str, head: int, tail: int) -> tuple[bytes, bytes, int]:
        """Reads the beginning, the end and the size of a `path` without problem; raises as `_load`."""

    def ends(self, path: str, head: int, tail: int) -> tuple[bytes, bytes, int]:
        """Reads at most the first and the last bytes of a file, and the number of all its bytes.

        The end of a large member of a zip is empty: all before it would have to be read.

        Raises:
            UserError: if it is missing or damaged.
        """
        if problem := self.problem(path):
            raise UserError(problem)
        try:
            return self._ends(path, head, tail)
        except (OSError, *_DAMAGE) as error:
            raise UserError(f"{path!r} cannot be read ({error})") from error


class FolderSource(FileSource):
    """Photos as files of a folder and its sub-folders; symbolic links, being the user's own, are followed."""

    kind = "folder"

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        if not os.path.isdir(self.path):
            raise UserError(f"{self.path} is not a folder; correct the path.")
        self._root = os.path.join(self.path, "")
        self._listings: dict[str, frozenset[str]] = {}

    def names(self) -> Iterator[tuple[str, str]]:
        waiting, seen = [""], set()
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(self.path / folder)
                entries = [*os.scandir(self.path / folder)]
            except OSError:
                continue
            if (status.st_dev, status.st_ino) in seen:  # a link to a folder above
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if _is(entry.is_dir):
                    waiting.append(path)
                elif _is(entry.is_file) and _is_text(path):
                    yield path, path

    def has(self, path: str) -> bool:
        if _leads_out(path) or not path:
            return False
        folder, _, name = path.rpartition("/")
        if (listing := self._listings.get(folder)) is None:
            try:
                entries = os.scandir(self.path / folder)
                listing = frozenset(entry.name for entry in entries if _is(entry.is_file) and _is_text(entry.name))
            except (OSError, ValueError):
                listing = frozenset()
            self._listings[folder] = listing
        return name in listing

    def _ends(self, path: str, head: int, tail: int) -> tuple[bytes, bytes, int]:
        descriptor = os.open(f"{self._root}{path}", os.O_RDONLY)
        try:
            first, size = os.read(descriptor, head), os.fstat(descriptor).st_size
            return first, first[-tail:] if size <= len(first) else os.pread(descriptor, tail, size - tail), size
        finally:
            os.close(descriptor)

    def ends(self, path: str, head: int, tail: int) -> tuple[bytes, bytes, int]:
        # Nearly all of a million photos can be read, so what is wrong with one is asked afterwards. A path that is in a
        # listing is a file's, and opening it cannot block as opening a pipe would.
        if self.has(path):
            try:
                first, last, size = self._ends(path, head, tail)
            except OSError:
                return super().ends(path, head, tail)
            if 0 < size <= MAX_BYTES:
                return first, last, size
        return super().ends(path, head, tail)

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
            return f"{path!r} may not be read (permission denied)"
        return _size_problem(path, status.st_size)

    def stamp(self, path: str) -> str:
        return self.problem(path) or str((self.path / path).stat().st_size)

    def _load(self, path: str) -> bytes:
        return (self.path / path).read_bytes()


class ZipSource(FileSource):
    """Photos as members of a zip file, which is not unpacked.

    Names that are stored without the mark of UTF-8 are read as UTF-8 where they are, and as the format says, in code
    page 437, where they are not; `names` also lists what they would be in other encodings.
    """

    kind = "zip"

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        if not os.path.isfile(self.path):
            raise UserError(f"{self.path} is not a zip file; correct the path.")
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _DAMAGE as error:
            raise UserError(f"{self.path} is not a zip file, or is incomplete; fetch or copy it again.") from error
        except OSError as error:
            raise UserError(f"{self.path} cannot be opened ({error.strerror}); correct the path.") from error
        self._lock = threading.Lock()
        self._names = {_member_name(info): info for info in self._zip.infolist()}
        # Catalogues name members also as Python does.
        self._members = {info.filename: info for info in self._zip.infolist()} | self._names
        self._copies = Counter(info.filename for info in self._zip.infolist())

    def names(self) -> Iterator[tuple[str, str]]:
        for name, info in self._names.items():
            # A damaged zip may hold an entry without a name.
            if name and not info.is_dir() and not _leads_out(name):
                yield name, name
                for spelling in _other_spellings(info):
                    yield spelling, name

    def has(self, path: str) -> bool:
        info = self._members.get(path)
        return info is not None and not info.is_dir() and not _leads_out(path)

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
        if self._copies[info.filename] > 1:
            return f"{path!r} is in the zip {self._copies[info.filename]} times"
        return _size_problem(path, info.file_size)

    def stamp(self, path: str) -> str:
        return self.problem(path) or f"{self._members[path].CRC:08x}"

    def _load(self, path: str) -> bytes:
        with self._lock:
            return self._zip.read(self._members[path])

    def _ends(self, path: str, head: int, tail: int) -> tuple[bytes, bytes, int]:
        size = self._members[path].file_size
        with self._lock, self._zip.open(self._members[path]) as file:
            first = file.read(head)
        return first, first[-tail:] if size <= len(first) else b"", size


class Hdf5Source(Source):
    """Photos as rows of the dataset `input_image` of an HDF5 file; one row is in memory at a time.

    Attributes:
        columns: Names of all datasets.
    """

    kind = "hdf5"

    def __init__(self, path: str | os.PathLike[str]):
        import h5py

        super().__init__(path)
        if not os.path.isfile(self.path):
            raise UserError(f"{self.path} does not exist; correct the path.")
        try:
            self._file = h5py.File(self.path, "r")
            self.columns = tuple(map(str, self._file))
        except (OSError, *_DAMAGE) as error:
            raise UserError(f"{self.path} is not an HDF5 file, or is incomplete; fetch or copy it again.") from error
        images = self.column(IMAGES)
        if images.dtype != "uint8" or images.ndim != 4 or images.shape[3] != 3:
            raise UserError(
                f"{self.path}: {IMAGES!r} must be uint8 [N, H, W, 3]. Received: {images.dtype} {list(images.shape)}."
            )
        if math.prod(images.shape[1:]) > MAX_BYTES or len(images) > self.path.stat().st_size:
            raise UserError(
                f"{self.path}: {IMAGES!r} claims to be larger than the file allows; fetch it again. "
                f"Received: {list(images.shape)}."
            )
        self._images = images
        self._bytes = self.path.stat().st_size
        self._lock = threading.Lock()

    def column(self, name: str) -> "h5py.Dataset":
        """Opens the dataset `name`.

        Raises:
            UserError: if it is missing, damaged or a link to another file, which HDF5 would open.
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
            raise UserError(f"{self.path}: {name!r} is a link to data elsewhere; give a file that contains its data.")
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


def open_source(path: str | os.PathLike[str], kind: str | None = None) -> Source:
    """Opens a source of the given kind (`folder`, `zip`, `hdf5`), by default a folder or a zip.

    Raises:
        UserError: if it does not exist or is of another kind.
    """
    if not os.path.exists(path):
        raise UserError(f"{path} does not exist; correct the path.")
    return KINDS[kind or ("folder" if os.path.isdir(path) else "zip")](path)


def _size_problem(path: str, size: int) -> str:
    if size > MAX_BYTES:
        return f"{path!r} is too large: {size:,} bytes, and at most {MAX_BYTES:,} are read"
    return "" if size else f"{path!r} is an empty file"


def _leads_out(path: str) -> bool:
    return path.startswith("/") or (".." in path and ".." in PurePosixPath(path).parts)


def _is(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link to itself
        return False


def _is_text(name: str) -> bool:
    """Tells whether a file name can be written to a catalogue: on Linux it may be any bytes."""
    try:
        return name.isascii() or bool(name.encode())
    except UnicodeEncodeError:
        return False


_UTF8_NAME = 0x800
"""Flag of zip members whose names are marked as UTF-8."""

_ENCODINGS = ("cp1252", "cp850", "cp1250", "cp1251", "cp866", "cp932", "gb18030", "big5", "euc_kr", "mac_roman")
"""Encodings of systems that write names of zip members without a mark."""


def _raw_name(info: zipfile.ZipInfo) -> bytes | None:
    """Returns the stored bytes of a name that is not marked as UTF-8 and not ASCII."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return None
    try:
        return info.filename.encode("cp437")
    except UnicodeEncodeError:  # the name came from an extra field
        return None


def _member_name(info: zipfile.ZipInfo) -> str:
    raw = _raw_name(info)
    try:
        return info.filename if raw is None else raw.decode()
    except UnicodeDecodeError:
        return info.filename


def _other_spellings(info: zipfile.ZipInfo) -> set[str]:
    raw = _raw_name(info)
    spellings = set()
    for encoding in _ENCODINGS if raw is not None else ():
        try:
            spellings.add(raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    return spellings
