"""One file on its way from a source to its final name."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from io import FileIO
from pathlib import Path

from kaleido.atomic import flush, refusals_named
from kaleido.checksums import file_sha256
from kaleido.errors import UserError
from kaleido.fetch.patience import Patience
from kaleido.fetch.source import UNKNOWN, Changed, Interrupted, Source, Version

BLOCK = 1 << 16
"""Bytes read at a time; at most this much is lost when a connection breaks."""


@dataclass(frozen=True)
class Moved:
    """How many bytes of a file are there, and of how many, if that is known."""

    position: int
    size: int | None


class Download:
    """Fetches one file: into `.NAME.partial` beside it first, which a later download takes up.

    Beside the partial file lies `.NAME.partial.version`: a partial file is taken up only if the source still has the
    version that it is of. Where a source tells neither ETag nor time of change, its size has to do.

    Args:
        source: Where from.
        name: What to ask it for.
        target: The final name.
        sha256: What the file must have; None if that is not known.
        patience: How often to try.
        report: Hears how far it is, and in words of failures that another try may mend.
    """

    def __init__(
        self,
        source: Source,
        name: str,
        target: Path,
        sha256: str | None,
        patience: Patience,
        report: Callable[[Moved | str], None],
    ):
        self._source = source
        self._name = name
        self._target = target
        self._sha256 = sha256
        self._patience = patience
        self._report = report
        self._partial = target.with_name(f".{target.name}.partial")
        self._version = target.with_name(f".{target.name}.partial.version")

    def run(self) -> bool:
        """Fetches the file; returns False if it was there already.

        Raises:
            UserError: where it cannot be had, does not fit its checksum, or the disk refuses.
        """
        if self._is_there():
            self._version.unlink(missing_ok=True)
            return False
        with self._opened() as file:
            try:
                self._receive_sound(file)
                with refusals_named(self._target):
                    os.fsync(file.fileno())
                    self._partial.replace(self._target)
                    flush(self._target.parent)
            finally:
                if not _size(file):
                    self._partial.unlink(missing_ok=True)
                if not self._partial.exists():
                    self._version.unlink(missing_ok=True)
        return True

    def _is_there(self) -> bool:
        if not self._target.exists():
            return False
        if not self._target.is_file():
            raise UserError(f"{self._target} is there and not a file")
        if self._sha256:
            return file_sha256(self._target) == self._sha256
        return self._patience.insist(self._name, self._has_its_size, note=self._report)

    def _has_its_size(self) -> bool:
        with self._source.open(self._name) as opened:
            return opened.version.size in (None, self._target.stat().st_size)

    @contextmanager
    def _opened(self) -> Iterator[FileIO]:
        """The partial file, which no other process has open."""
        with refusals_named(self._target):
            self._target.parent.mkdir(parents=True, exist_ok=True)
            file = open(self._partial, "ab", buffering=0)  # noqa: SIM115
        with file:
            with refusals_named(self._target):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # The one who held the lock may have given the file its final name.
                    mine = os.path.samestat(os.fstat(file.fileno()), self._partial.stat())
                except (BlockingIOError, FileNotFoundError):
                    mine = False
            if not mine:
                raise UserError("is being fetched by another process")
            yield file

    def _receive_sound(self, file: FileIO) -> None:
        for _ in range(2):
            self._patience.insist(self._name, partial(self._receive, file), partial(_size, file), self._report)
            received = self._sha256 and file_sha256(self._partial)
            if received == self._sha256:
                return
            file.truncate(0)
        raise UserError(f"does not fit its checksum, not at a second time either: {self._sha256}. Received: {received}")

    def _receive(self, file: FileIO) -> None:
        try:
            self._append(file)
        except Changed:
            file.truncate(0)
            self._append(file)

    def _append(self, file: FileIO) -> None:
        version = self._begun()
        # One byte is fetched again: of a complete file there would be nothing left to ask for.
        start = max(_size(file) - 1, 0) if version != UNKNOWN else 0
        with self._source.open(self._name, start, version) as opened:
            with refusals_named(self._target):
                file.truncate(opened.start)
                if not opened.start:
                    self._version.write_text(json.dumps(asdict(opened.version)))
            size = opened.version.size
            self._report(Moved(opened.start, size))
            while block := opened.read(BLOCK):
                with refusals_named(self._target):
                    _write(file, block)
                self._report(Moved(_size(file), size))
        if size not in (None, _size(file)):
            raise Interrupted(f"cut off after {_size(file):,} of {size:,} bytes")

    def _begun(self) -> Version:
        """The version that the partial file is of."""
        try:
            return Version(**json.loads(self._version.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return UNKNOWN


def _size(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _write(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]
