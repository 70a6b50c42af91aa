"""Other programs, which may hang, write without end or leave children behind."""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any


class ProgramFailed(Exception):
    """Raised when a program did not do its work; the message says why, in one line."""


class Lines:
    """Reads a program's lines, none of which is without end.

    Args:
        file: The program's output.
        longest: Bytes of the longest line.
    """

    def __init__(self, file: IO[bytes], longest: int = 1 << 20):
        self._file = file
        self._longest = longest

    def readline(self) -> bytes:
        """Reads a line.

        Raises:
            ProgramFailed: if the program ended before, or the line is too long.
        """
        line = self._file.readline(self._longest)
        if not line.endswith(b"\n"):
            raise ProgramFailed("a line is too long" if line else "ended too early")
        return line


@contextmanager
def program(command: Sequence[str], seconds: float | None, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program with its children until the `with` block ends, at most for some seconds.

    Args:
        command: The program and its arguments.
        seconds: Time after which it is killed, so that its output ends; None where the block sees to that.
        options: Options of `Popen`.

    Raises:
        ProgramFailed: if it cannot be started, was killed for its time or, at the end of the block, has failed; the
            block's own errors of reading and writing count as such.
    """
    # In a session of its own, so that its children are killed with it.
    try:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, **options)
    except OSError as error:
        raise ProgramFailed(f"cannot be started ({error.strerror})") from error
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _kill(process)

    timer = threading.Timer(seconds or threading.TIMEOUT_MAX, expire)
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        yield process
    except (OSError, ValueError, ProgramFailed) as error:
        if expired.is_set():
            raise ProgramFailed(f"no answer in {seconds:.0f} s") from error
        early = isinstance(error, BrokenPipeError)
        raise ProgramFailed("ended too early" if early else " ".join(str(error).split())[:200]) from error
    finally:
        timer.cancel()
        _kill(process)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # Something may be left to be written.
                if pipe:
                    pipe.close()
        process.wait()


def lines_of(file: IO[bytes], seconds: float) -> Iterator[bytes]:
    """Yields the lines of a program, which may take any time as long as it goes on.

    Args:
        file: The program's output.
        seconds: Longest time without any.

    Raises:
        ProgramFailed: if nothing comes for so long.
    """
    rest = b""
    while True:
        if not select.select([file], [], [], seconds)[0]:
            raise ProgramFailed(f"nothing came in {seconds:.0f} s")
        if not (data := os.read(file.fileno(), 1 << 20)):
            break
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def output_of(command: Sequence[str], given: IO[bytes], seconds: float, most: int) -> bytes:
    """Runs a program to its end and returns what it writes.

    Args:
        command: The program and its arguments.
        given: File that it reads.
        seconds: Time that it may take.
        most: Bytes that it may write.

    Raises:
        ProgramFailed: if it fails, takes too long or writes too much.
    """
    with program(command, seconds, stdin=given, stdout=subprocess.PIPE) as process:
        assert process.stdout
        output = process.stdout.read(most + 1)
        if len(output) > most:
            raise ProgramFailed(f"more than {most:,} bytes of output")
        if code := process.wait():
            raise ProgramFailed(f"exit code {code}")
    return output


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Its children may outlive it, in its group, whose number is not given away as long as one of them does.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
