"""Files of tables: opened as they lie, in a zip or packed, with a limit on what they may expand to."""

import contextlib
import gzip
import io
import os
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from kaleido.errors import UserError

TABLE_SUFFIXES = (
    ".csv",
    ".tsv",
    ".txt",
    ".jsonl",
    ".ndjson",
    ".json",
    ".xlsx",
    ".xlsm",
    ".ods",
    ".xls",
    ".xml",
    ".parquet",
)
"""Suffixes of tables; each may be followed by `.gz` or lie alone in a `.zip`."""

MAX_RATIO, FREE_BYTES = 100, 1 << 26
"""A packed table may expand to `MAX_RATIO` times its size, and to `FREE_BYTES` in any case."""

FREE_ROWS = 1_500_000
"""A packed table may have a line or an object for each of its bytes, and `FREE_ROWS` in any case: more than a full
sheet of a spreadsheet, whose empty rows pack well."""

_DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError)

# Beginnings of files that are no tables, and what they are.
_OTHERS = {
    b"%PDF": "a PDF document",
    b"\xff\xd8\xff": "a JPEG photo",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstandard archive",
    b"SQLite format 3": "an SQLite database",
    b"{\\rtf": "an RTF document",
    b"\x89HDF": "an HDF5 file",
    b"ARROW1": "an Arrow file",
    b"\x80\x04\x95": "a Python pickle",
    b"\x80\x05\x95": "a Python pickle",
}


def is_table_name(name: str) -> bool:
    """Tells whether a file may be a table by its name."""
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix in (*TABLE_SUFFIXES, ".zip")


@dataclass(frozen=True, slots=True)
class TableFile:
    """File with a table.

    Attributes:
        name: Name for messages, and whose suffix tells the format.
        opener: Opens the file at its beginning, unpacked.
        path: The file itself where it needs no unpacking; else None.
    """

    name: str
    opener: Callable[[], BinaryIO]
    path: Path | None = None

    @property
    def suffix(self) -> str:
        """Suffix in lower case, without `.gz`."""
        return PurePosixPath(self.name.lower().removesuffix(".gz")).suffix

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file to be read once.

        Raises:
            UserError: if it cannot be read, is damaged or expands too far.
        """
        try:
            with self.opener() as file:
                yield file
        except UserError:
            raise
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UserError(f"{self.name} cannot be read ({getattr(error, 'strerror', None) or error}).") from error

    def head(self, size: int = 1 << 12) -> bytes:
        """Reads the first bytes."""
        with self.open() as file:
            return file.read(size)

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[Path]:
        """Gives the path of the file, or of an unpacked copy that is removed afterwards."""
        if self.path:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(prefix="kaleido-", suffix=self.suffix) as copy:
            with self.open() as file:
                shutil.copyfileobj(file, copy)
            copy.flush()
            yield Path(copy.name)


def file_at(path: str | os.PathLike[str]) -> TableFile:
    """Names a file of the file system as a table."""
    return TableFile(os.fspath(path), lambda: open(path, "rb"), Path(path))


def file_in_zip(path: str | os.PathLike[str], member: str) -> TableFile:
    """Names a member of a zip as a table."""
    return TableFile(f"{os.fspath(path)}/{member}", lambda: _open_member(Path(path), member))


def unpacked(file: TableFile) -> TableFile:
    """Unpacks gzip, and a zip that holds one table, if `file` is packed.

    Raises:
        UserError: if it is no table or a damaged one, or a zip that holds none or several.
    """
    for _ in range(3):
        head = file.head()
        if not head.strip():
            raise UserError(f"{file.name} is empty; give a table whose first line names its columns.")
        for beginning, kind in _OTHERS.items():
            if head.startswith(beginning):
                raise UserError(f"{file.name} looks like {kind}, not like a table; export the table again.")
        if head.startswith(b"\x1f\x8b"):
            file = TableFile(file.name, _gzip_opener(file))
        elif head.startswith(b"PK\x03\x04") and not is_spreadsheet(file):
            file = _only_table(file)
        else:
            return file
    raise UserError(f"{file.name} is packed several times; unpack it.")


def is_spreadsheet(file: TableFile) -> bool:
    """Tells whether a zip is a spreadsheet, and checks what it expands to."""
    with file.on_disk() as path, _zip(path, file.name) as archive:
        names = set(archive.namelist())
        if not ({"xl/workbook.xml", "xl/workbook.bin"} & names or "content.xml" in names):
            return False
        left = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
        try:
            for info in archive.infolist():
                info.file_size = left + (2 << 20)  # what it says need not be true; the checksum tells its end
                with archive.open(info) as member:
                    while chunk := member.read(1 << 20):
                        left -= len(chunk)
                        if left < 0:
                            raise _too_large(file.name)
        except _DAMAGE as error:
            raise UserError(
                f"{file.name} looks like an Excel file, and is damaged ({error}); save it again."
            ) from error
        return True


@contextlib.contextmanager
def _zip(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise UserError(
            f"{name} looks like an Excel file or another zip, and is damaged or incomplete; save it again, or as CSV."
        ) from error
    with archive:
        yield archive


def _only_table(file: TableFile) -> TableFile:
    if not file.path:
        raise UserError(f"{file.name} is a zip within a packed file; unpack it.")
    with _zip(file.path, file.name) as archive:
        names = [
            info.filename
            for info in archive.infolist()
            if not info.is_dir()
            and not info.filename.startswith("__MACOSX/")
            and not Path(info.filename).name.startswith(".")
        ]
    tables = [name for name in names if PurePosixPath(name.lower().removesuffix(".gz")).suffix in TABLE_SUFFIXES]
    if len(tables) > 1:  # notes of the export are no tables
        tables = [name for name in tables if not name.lower().endswith(".txt")] or tables
    if len(tables) != 1:
        found = f"{len(tables)} tables: {', '.join(tables[:3])}" if tables else f"no table among {len(names)} files"
        raise UserError(f"{file.name} is a zip with {found}; name one table inside it, or unpack it.")
    return file_in_zip(file.path, tables[0])


def _open_member(path: Path, name: str) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    info = archive.getinfo(name)
    packed = min(info.compress_size, path.stat().st_size)
    return _limited(archive.open(info), f"{path}/{name}", lambda: packed)


def _gzip_opener(file: TableFile) -> Callable[[], BinaryIO]:
    def opener() -> BinaryIO:
        packed = file.opener()
        return _limited(cast(BinaryIO, gzip.GzipFile(fileobj=packed)), file.name, packed.tell)

    return opener


def _limited(file: Any, name: str, packed: Callable[[], int]) -> BinaryIO:
    return io.BufferedReader(_Limited(file, name, packed), 1 << 16)


class _Limited(io.RawIOBase):
    """Unpacked bytes, up to a multiple of the packed ones."""

    def __init__(self, file: Any, name: str, packed: Callable[[], int]):
        self._file, self._name, self._packed = file, name, packed
        self._total = 0
        self._marks = Counter[bytes]()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except UserError:
            raise
        except _DAMAGE as error:
            raise UserError(f"{self._name} is damaged ({error}); pack or fetch it again.") from error
        self._total += len(data)
        if self._total > FREE_BYTES and self._total > MAX_RATIO * self._packed():
            raise _too_large(self._name)
        for mark in (b"\n", b"\r", b"}"):
            self._marks[mark] += data.count(mark)
        if (rows := max(self._marks.values())) > FREE_ROWS and rows > self._packed():
            raise UserError(
                f"{self._name} expands to more than {FREE_ROWS:,} rows, and more than it has bytes, as no table does; "
                "unpack it yourself if it is to be trusted."
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _too_large(name: str) -> UserError:
    return UserError(
        f"{name} expands to more than {MAX_RATIO} times its size and {FREE_BYTES >> 20} MB, as no table does; "
        "unpack it yourself if it is to be trusted."
    )
