"""Download of one file."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from io import FileIO
from pathlib import Path

from kaleido.atomic import flush, refusals_named
from kaleido.checksums import file_sha256
from kaleido.errors import UserError
from kaleido.fetch.mirror import UNKNOWN, FileChanged, Mirror, TransientError, Version
from kaleido.fetch.retry import RetryPolicy
from kaleido.locks import locked

BLOCK = 1 << 16
"""Bytes read at a time; at most these are lost when a connection breaks."""


@dataclass(frozen=True)
class Position:
    """Progress of a download: bytes received, and bytes of the whole file if known."""

    position: int
    size: int | None


class Download:
    """Download of one file by way of `.NAME.partial`, which a later download resumes.

    `.NAME.partial.version` records the version of the partial file, which is resumed only if the mirror still serves
    that version. Without an ETag or time of change, versions are compared by size.

    Args:
        mirror: Mirror to fetch from.
        name: Path of the file on the mirror.
        target: Path to write.
        sha256: Expected checksum; None if unknown.
        retry: Policy of retries.
        report: Called with the position, and with a description of each transient error.
        limit: Most bytes that the file may have.
    """

    def __init__(
        self,
        mirror: Mirror,
        name: str,
        target: Path,
        sha256: str | None,
        retry: RetryPolicy,
        report: Callable[[Position | str], None],
        limit: int = sys.maxsize,
    ):
        self._mirror = mirror
        self._name = name
        self._target = target
        self._sha256 = sha256
        self._retry = retry
        self._report = report
        self._limit = limit
        self._partial = target.with_name(f".{target.name}.partial")
        self._version = target.with_name(f".{target.name}.partial.version")

    def run(self) -> bool:
        """Fetches the file; returns False if it was there already.

        Raises:
            UserError: if it is not served, does not match its checksum or cannot be written, or another process is
                fetching it.
        """
        before = self._target.exists()
        if self._is_there():
            self._version.unlink(missing_ok=True)
            return False
        with locked(self._target.with_name(f".{self._target.name}.lock"), self._target):
            # Another process may have fetched it before it gave the lock back.
            return (before or not self._is_there()) and self._fetch()

    def _fetch(self) -> bool:
        with refusals_named(self._target):
            file = open(self._partial, "ab", buffering=0)  # noqa: SIM115
        with file:
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
            raise UserError(f"{self._target} exists and is not a file")
        if self._sha256:
            return file_sha256(self._target) == self._sha256
        return self._retry.call(self._name, self._has_its_size, note=self._report)

    def _has_its_size(self) -> bool:
        with self._mirror.open(self._name) as opened:
            return opened.version.size in (None, self._target.stat().st_size)

    def _receive_sound(self, file: FileIO) -> None:
        for _ in range(2):
            self._retry.call(self._name, partial(self._receive, file), partial(_size, file), self._report)
            received = self._sha256 and file_sha256(self._partial)
            if received == self._sha256:
                return
            file.truncate(0)
        raise UserError(f"does not match its checksum {self._sha256}, tried twice. Received: {received}")

    def _receive(self, file: FileIO) -> None:
        try:
            self._append(file)
        except FileChanged:
            file.truncate(0)
            self._append(file)

    def _append(self, file: FileIO) -> None:
        version = self._begun()
        # The last byte is fetched again: a range that starts at the end of a complete file would be invalid.
        start = max(_size(file) - 1, 0) if version != UNKNOWN else 0
        with self._mirror.open(self._name, start, version) as opened:
            with refusals_named(self._target):
                file.truncate(opened.start)
                if not opened.start:
                    self._version.write_text(json.dumps(asdict(opened.version)))
            size = opened.version.size
            self._report(Position(opened.start, size))
            while block := opened.read(BLOCK):
                with refusals_named(self._target):
                    _write(file, block)
                if _size(file) > self._limit:
                    file.truncate(0)
                    raise UserError(f"larger than such a file can be, {self._limit:,} bytes")
                self._report(Position(_size(file), size))
        if size not in (None, _size(file)):
            raise TransientError(f"cut off after {_size(file):,} of {size:,} bytes")

    def _begun(self) -> Version:
        """Reads the version of the partial file."""
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
