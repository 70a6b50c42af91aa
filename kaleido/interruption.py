"""Handles SIGTERM like Ctrl-C, by a KeyboardInterrupt, so that `finally` blocks clean up."""

import os
import signal
import sys
import threading
from typing import Any

_PAUSE = 0.05
"""Seconds until a swallowed signal is sent again."""


class Interrupted(Exception):
    """Raised when SIGTERM or Ctrl-C stopped a training whose state was saved; the same command resumes it.

    Attributes:
        signal_number: Number of the signal.
    """

    def __init__(self, step: int, signal_number: int):
        super().__init__(f"stopped after step {step} and saved; the same command goes on from there")
        self.signal_number = signal_number


def obey_termination() -> None:
    """Makes SIGTERM raise `KeyboardInterrupt(SIGTERM)` in the main thread."""
    signal.signal(signal.SIGTERM, _raise)
    sys.unraisablehook = _send_again


def ignore_termination() -> None:
    """Ignores SIGTERM from now on, so that the interpreter's shutdown cannot end in a traceback."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _raise(number: int, frame: Any) -> None:
    raise KeyboardInterrupt(number)


def _send_again(unraisable: Any) -> None:
    """Sends a signal again if Python dropped its KeyboardInterrupt, as it does in finalisers and callbacks."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    number = (getattr(unraisable.exc_value, "args", ()) or (signal.SIGINT,))[0]
    timer = threading.Timer(_PAUSE, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
