"""Files and folders appear under their final name whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaleido.errors import UserError


def write_atomically(path: Path, data: bytes, durable: bool = True) -> None:
    """Writes `path` by way of a temporary file beside it, making its folder where needed.

    Args:
        path: What to write.
        data: Its content.
        durable: Whether it has reached the disk before it gets its name. Without, a power failure may leave an empty
            file; a killed process may not in either case.

    Raises:
        UserError: Where the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            if durable:
                flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_atomically(directory: Path) -> Iterator[Path]:
    """Gives an empty folder that takes the place of `directory` at the end, or goes if anything fails.

    Raises:
        UserError: Where the disk refuses.
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
    """Removes a folder if it is there; none with some of its files missing is ever seen under its name."""
    former = directory.with_name(f".{directory.name}.former.tmp")
    shutil.rmtree(former, ignore_errors=True)
    if directory.exists():
        directory.replace(former)
        shutil.rmtree(former)


def remove_leftovers(*directories: Path) -> None:
    """Removes the temporary files and folders that killed writers left; no other writer may be at work there."""
    for directory in directories:
        for leftover in directory.glob(".*.tmp"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Turns what the disk refuses while `path` is written into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}; the same command goes on once it can"
        ) from error


def flush(path: Path) -> None:
    """Waits until a file or folder has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
