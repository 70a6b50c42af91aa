"""Atomic writing: files and folders appear under their final name complete or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kaleido.errors import UserError


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


@contextmanager
def file_written_atomically(path: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """Yields a file to write that appears as `path` at the end, or is removed if anything fails; as `write_atomically`.

    Raises:
        UserError: if the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
        UserError: if the folder cannot be written.
    """
    temporary = directory.with_name(f".{directory.name}.tmp")
    with refusals_named(directory):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
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
    former = directory.with_name(f".{directory.name}.former.tmp")
    shutil.rmtree(former, ignore_errors=True)
    if directory.exists():
        directory.replace(former)
        shutil.rmtree(former)


def remove_leftovers(*directories: Path) -> None:
    """Removes the temporary files and folders of killed writers; no other process may be writing there."""
    for directory in directories:
        for leftover in directory.glob(".*.tmp"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)


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
