"""Locks that let one process write a folder or file at a time.

The lock is `flock`'s, on a file of its own: the system releases it when the process ends, however it ends, and on NFS
Linux makes it a lock of the server, which all hosts see. The file tells who holds the lock, and is removed with it.
"""

import errno
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kaleido.errors import UserError

LOCK_FILE = ".lock"
"""Name of the lock of a folder, in this folder."""

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
_PAUSE = 0.1
"""Seconds between two tries."""

_QUIET = 2.0
"""Seconds of waiting that are not told."""

_TRIES = 100
"""Times that the folder may vanish before the file in it is made."""

_NOTE = {"process", "host", "command", "since"}

_mine: set[tuple[str, int]] = set()
"""Locks that threads of this process hold: path of the file, and the thread."""


PATIENCE = 30.0
"""Seconds to wait for another process that writes some small files."""


class Locked(UserError):
    """Raised when another process, or another thread of this one, holds a lock.

    Attributes:
        holder: Who holds it, in words.
    """

    def __init__(self, place: "Path | str", holder: str):
        super().__init__(f"{place}: another process is writing it: {holder}; wait until it has ended, or stop it")
        self.holder = holder


@contextmanager
def folder_locked(
    directory: Path, place: "Path | str | None" = None, *, shared: bool = False, patience: float = 0.0
) -> Iterator[None]:
    """Lets this process alone write a folder while the `with` block runs; makes the folder if it is missing.

    Readers do not ask for the lock and are not kept out. A thread that holds it may ask for it again.

    Args:
        directory: The folder.
        place: What is written, for messages; the folder if None.
        shared: Whether others that ask for a shared lock may write as well.
        patience: Seconds to wait for another process.

    Raises:
        Locked: if another process writes it; names that process.
        UserError: if the folder cannot be written.
    """
    made = not directory.exists()
    try:
        with locked(directory / LOCK_FILE, place or directory, shared=shared, patience=patience):
            yield
    finally:
        if made:
            with suppress(OSError):  # It holds something now.
                directory.rmdir()


@contextmanager
def locked(file: Path, place: "Path | str", *, shared: bool = False, patience: float = 0.0) -> Iterator[None]:
    """Locks by a file of any name, as `folder_locked`.

    Args:
        file: File of the lock, for what is not a folder, or is replaced as a whole.
        place: What is written, for messages.
        shared, patience: As for `folder_locked`.
    """
    key = os.path.abspath(file), threading.get_ident()
    if key in _mine:
        yield
        return
    descriptor = _acquire(file, place, shared, patience)
    _mine.add(key)
    try:
        yield
    finally:
        _mine.discard(key)
        # The file goes before the lock is given back, unless others share it; in a folder that has become read-only it
        # stays.
        with suppress(OSError):
            if shared:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, file):
                file.unlink()
        os.close(descriptor)


def remove_unheld(directory: Path) -> None:
    """Removes the files of locks of processes that were killed."""
    for file in directory.glob(".*.lock"):
        with suppress(OSError):
            descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            try:
                if _read(descriptor).keys() >= _NOTE:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if _is_at(descriptor, file):
                        file.unlink()
            finally:
                os.close(descriptor)


def _acquire(file: Path, place: "Path | str", shared: bool, patience: float) -> int:
    begun, told = time.monotonic(), False
    tries = 0
    while True:
        tries += 1
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and tries < _TRIES:
                continue  # Another process has removed the empty folder at this moment.
            raise UserError(f"{place} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            # The process that held the lock before may have removed the file since it was opened.
            if _is_at(descriptor, file):
                _sign(descriptor, place, shared)
                return descriptor
        except OSError as error:
            if error.errno not in _HELD:
                _tell(f"{place}: this file system has no locks ({error.strerror}); do not write there twice at once")
                return descriptor
            waited, holder = time.monotonic() - begun, _read(descriptor)
            # Whoever has got the lock at this moment is about to say so.
            if waited >= (patience if holder else max(patience, _QUIET)):
                os.close(descriptor)
                raise Locked(place, _in_words(holder)) from None
            if waited > _QUIET and not told:
                told = True
                print(f"{place}: waiting for {_in_words(holder)}", file=sys.stderr)
            time.sleep(_PAUSE)
        os.close(descriptor)


def _is_at(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int, place: "Path | str", shared: bool) -> None:
    """Writes who holds the lock; tells of a holder on another host that has not given it back."""
    former, host = _read(descriptor), socket.gethostname()
    if not shared and former.get("host", host) != host:
        _tell(
            f"{place}: {_in_words(former)} has not ended properly; if it still runs, this file system does not lock "
            "between hosts: stop one of the two"
        )
    note = {"process": os.getpid(), "host": host, "command": _command(), "since": time.strftime("%F %T")}
    with suppress(OSError):  # A full disk has no room for the note, and the lock holds without it.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode() + b"\n", 0)


def _command() -> str:
    """Names the program and its subcommand; further arguments may be addresses with passwords."""
    program, *words = sys.argv or [""]
    known = program.endswith(("/kaleido", "kaleido/__main__.py"))
    name = "kaleido" if known else "python" if program in ("", "-c") else os.path.basename(program)
    return " ".join([name, *(word for word in words[:1] if known and not word.startswith("-"))])


def _read(descriptor: int) -> dict[str, Any]:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _in_words(note: dict[str, Any]) -> str:
    if not note:
        return "one that has not said who it is"
    return f"process {note.get('process')} on {note.get('host')} ({note.get('command')}, since {note.get('since')})"


def _tell(warning: str) -> None:
    print(f"warning: {warning}", file=sys.stderr)
