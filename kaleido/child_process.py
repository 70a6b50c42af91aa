"""Processes of plain Python that share memory with this one.

They are started by a command line and not by `multiprocessing`, which would run the caller's main module again; they
import what their function's module imports, and no deep-learning library unless that does. They end when their
connection does, however this process ends, and neither by Ctrl-C nor by SIGTERM; the memory has no name, so nothing is
left behind.
"""

import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import IO, Any

SILENCE = 900.0
"""Seconds without an answer after which a child counts as stuck."""


_PATIENCE = 5
"""Seconds that a child may take to end."""


def answer(connection: Connection) -> Any:
    """Receives what a child sends.

    Raises:
        TimeoutError: if nothing comes for `SILENCE`.
        EOFError, OSError: if the child has ended.
    """
    if not connection.poll(SILENCE):
        raise TimeoutError(f"no answer in {SILENCE:.0f} s")
    return connection.recv()


def end_child(process: subprocess.Popen[bytes]) -> None:
    """Waits for a child whose connection was closed; one that is stuck is killed."""
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_children(
    function: Callable[..., None], count: int, size: int, *arguments: int
) -> tuple[mmap.mmap, list[tuple[subprocess.Popen[bytes], Connection]]]:
    """Starts processes that call a function, each with a connection to this one, and memory that all of them share.

    Args:
        function: Function of a module: `function(Connection, mmap.mmap, *arguments)`.
        count: Number of processes.
        size: Bytes of the memory.
        arguments: Further arguments.

    Returns:
        The memory, and for each process itself and this end of its connection.
    """
    with _nameless_file() as file:
        file.truncate(size)
        started = [_start(function, file.fileno(), *arguments) for _ in range(count)]
        return mmap.mmap(file.fileno(), size), started


def _nameless_file() -> IO[bytes]:
    # Not in /dev/shm, which containers limit to 64 MB.
    return os.fdopen(os.memfd_create("kaleido"), "w+b") if hasattr(os, "memfd_create") else tempfile.TemporaryFile()


def _start(function: Callable[..., None], memory: int, *arguments: int) -> tuple[subprocess.Popen[bytes], Connection]:
    module, name = function.__module__, function.__name__
    ours, theirs = socket.socketpair()
    with theirs:
        passed = theirs.fileno(), memory
        imports = f"from kaleido.child_process import adopt; from {module} import {name}"
        # A session of its own, and Ctrl-C and a job's end, which may be sent to all processes, are blocked from the
        # first moment, before Python could ignore them: this process decides when the other one ends.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", f"{imports}; {name}(*adopt{passed}, *{arguments})"],
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return process, Connection(ours.detach())


def adopt(connection: int, memory: int) -> tuple[Connection, mmap.mmap]:
    """Makes the connection and the memory of the descriptors that a child process is started with."""
    return Connection(connection), mmap.mmap(memory, 0)
