"""Ends a process properly: on SIGTERM as on Ctrl-C, for lack of memory, and where the interpreter itself is stuck.

SIGTERM raises a KeyboardInterrupt, so that `finally` blocks clean up.
"""

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from kaleido.shortage import shortage

GRACE = 180.0
"""Seconds after which SIGTERM ends a process whose main thread has not come to notice it."""

_SHUTDOWN = 20
"""Seconds after which a failed process no longer waits for its threads."""

_PAUSE = 0.05
"""Seconds until a swallowed signal is sent again."""

_noticed = 0.0

_received = signal.SIGINT
"""Signal that asked this process to end last."""

_failed_with = 0
"""Exit code of a process that is leaving because it failed."""


class Interrupted(Exception):
    """Raised when SIGTERM or Ctrl-C stopped a training whose state was saved; the same command resumes it.

    Attributes:
        signal_number: Number of the signal.
    """

    def __init__(self, step: int, signal_number: int):
        super().__init__(f"stopped after step {step} and saved; the same command goes on from there")
        self.signal_number = signal_number


def obey_termination() -> None:
    """Makes SIGTERM raise `KeyboardInterrupt(SIGTERM)` in the main thread, and end the process if that is stuck.

    A thread that could not start or go on for lack of memory ends the process as well: others may wait for it for ever.
    """
    signal.signal(signal.SIGTERM, _raise)
    atexit.register(_skip_teardown)  # Runs after those that are registered later.
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_failed
    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    signal.set_wakeup_fd(sending, warn_on_full_buffer=False)
    threading.Thread(target=_end_if_stuck, args=(receiving,), name="termination", daemon=True).start()


def notice_signal() -> None:
    """Notes that the main thread has noticed a signal; every handler of SIGTERM calls it."""
    global _noticed
    _noticed = time.monotonic()


def signal_of(interruption: BaseException | None) -> int:
    """Tells the number of the signal that a KeyboardInterrupt stands for; libraries raise their own without it."""
    return (getattr(interruption, "args", ()) or (_received,))[0]


def leave(code: int) -> None:
    """Exits; neither SIGTERM nor threads that are stuck keep the interpreter's shutdown from its end.

    Args:
        code: Exit code of the process.
    """
    global _failed_with
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if code:
        _failed_with = code
        timer = threading.Timer(_SHUTDOWN, os._exit, (code,))
        timer.daemon = True
        timer.start()
        # Where the interpreter itself is stuck, and runs no thread.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(2 * _SHUTDOWN)
    sys.exit(code)


def _skip_teardown() -> None:
    """Ends a failed process before its libraries do: they may wait for a lost worker."""
    if _failed_with:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(_failed_with)


def _raise(number: int, frame: Any) -> None:
    global _received
    _received = signal.Signals(number)
    notice_signal()
    raise KeyboardInterrupt(number)


def _end_if_stuck(receiving: int) -> None:
    """Reads the numbers of the signals that arrive; ends the process where the main thread does not handle SIGTERM."""
    while True:
        number = os.read(receiving, 1)[0]
        arrived = time.monotonic()
        # The main thread may have been quicker than this one.
        while number == signal.SIGTERM and _noticed < arrived - 1:
            if time.monotonic() > arrived + GRACE:
                _end("was stuck when it was to stop", 128 + number)
            time.sleep(_PAUSE)


def _thread_failed(failure: Any) -> None:
    if reason := shortage(failure.exc_value):
        _end(reason, 2)
    threading.__excepthook__(failure)


def _unraisable(unraisable: Any) -> None:
    """Sends a signal again if Python dropped its KeyboardInterrupt, as it does in finalisers and callbacks."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Python's start of a thread has no other way to tell that it failed.
        if "thread" in str(unraisable.err_msg) and (reason := shortage(unraisable.exc_value)):
            _end(reason, 2)
        sys.__unraisablehook__(unraisable)
        return
    timer = threading.Timer(_PAUSE, os.kill, (os.getpid(), signal_of(unraisable.exc_value)))
    timer.daemon = True
    timer.start()


def _end(reason: str, code: int) -> None:
    """Ends the process at once, as `kill -9` does: the main thread may be waiting for what never comes."""
    with suppress(OSError):
        os.write(2, f"kaleido: {reason}\n".encode())
    os._exit(code)
