"""Atomic writing: files and folders appear under their final name complete or not at all.

Temporary names carry the process, so that two never write the same; what killed processes left is removed when the
next one writes into the same folder.
"""

import itertools
import os
import re
import shutil
import socket
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from kaleido.errors import UserError
from kaleido.locks import PATIENCE, folder_locked, locked, remove_unheld

_TEMPORARY = re.compile(r"\..+\.([0-9a-f]{8})-(\d+)-([0-9a-f]{8})-\d+\.tmp")
_ABANDONED = 86_400
"""Seconds after which what another machine was writing counts as left behind."""

_START = os.urandom(4).hex()
"""Tells this process from a former one of the same number, as containers have."""

_numbers = itertools.count()


def write_atomically(path: Path, data: bytes, durable: bool = True) -> None:
    """Writes a file through a temporary one beside it; creates its folder if missing.

    Args:
        path: File to write.
        data: Its content.
        durable: Whether to wait until the data is on disk before renaming. Otherwise a power failure may leave an
            empty file; a killed process leaves no incomplete file in either case.

    Raises:
        UserError: if the file cannot be written.
    """
    with file_written_atomically(path, durable) as file:
        file.write(data)


def write_together(directory: "str | os.PathLike[str]", files: Mapping[str, bytes]) -> None:
    """Writes files by their names into a folder; of two processes, all files are those of one, the later.

    Raises:
        UserError: if a file cannot be written, or another process keeps writing the folder.
    """
    with folder_locked(Path(directory), patience=PATIENCE):
        for name, content in files.items():
            write_atomically(Path(directory) / name, content)


@contextmanager
def file_written_atomically(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """Yields a file to write that appears as `path` at the end, or is removed if anything fails; as `write_atomically`.

    Raises:
        UserError: if the file cannot be written.
    """
    temporary = temporary_name(path)
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clean_once(path.parent, os.getpid())
        try:
            with open(temporary, "wb") as file:
                yield file
            if durable:
                flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_atomically(directory: Path) -> Iterator[Path]:
    """Yields an empty folder that replaces `directory` at the end, or is removed if anything fails.

    Raises:
        UserError: if the folder cannot be written, or another process is writing it.
    """
    temporary = temporary_name(directory)
    with locked(directory.with_name(f".{directory.name}.lock"), directory), refusals_named(directory):
        remove_leftovers(directory.parent)
        temporary.mkdir()
        try:
            yield temporary
            for path in (*temporary.rglob("*"), temporary):
                flush(path)
            remove_atomically(directory)
            temporary.replace(directory)
            flush(directory.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_atomically(directory: Path) -> None:
    """Removes a folder if it exists; under its name it is never incomplete, not even for a moment."""
    former = temporary_name(directory)
    if directory.exists():
        directory.replace(former)
        shutil.rmtree(former)


def temporary_name(path: Path) -> Path:
    """Makes a name beside a file or folder that is written under it first; no other process or call makes the same."""
    return path.with_name(f".{path.name}.{_machine()}-{os.getpid()}-{_START}-{next(_numbers)}.tmp")


def remove_leftovers(*directories: Path) -> None:
    """Removes the temporary files and folders, and the files of locks, of processes that have ended."""
    for directory in directories:
        remove_unheld(directory)
        for leftover in directory.glob(".*.tmp"):
            if not _is_left(leftover):
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    """Tells whether a temporary file is of a process that has ended, as far as one can tell of another machine's."""
    if not (name := _TEMPORARY.fullmatch(path.name)):
        return False
    machine, process = name[1], int(name[2])
    try:
        if machine != _machine():
            return time.time() - path.stat().st_mtime > _ABANDONED
        if process == os.getpid():
            return name[3] != _START
        os.kill(process, 0)
    except (ProcessLookupError, FileNotFoundError):
        return True
    except PermissionError:  # of another user
        pass
    return False


@cache
def _machine() -> str:
    """Returns a short name of the host and, in a container, of its numbering of processes."""
    try:
        numbering = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        numbering = 0
    return f"{zlib.crc32(f'{socket.gethostname()} {numbering}'.encode()):08x}"


@cache
def _clean_once(directory: Path, process: int) -> None:
    """Removes what was left in a folder when a process first writes there: a folder may have a million files."""
    remove_leftovers(directory)


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Turns an OSError in the body into a UserError that names `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; the same command continues once it can"
        ) from error


def flush(path: Path) -> None:
    """Waits until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
