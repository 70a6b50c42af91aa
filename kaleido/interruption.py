"""SIGTERM leaves as Ctrl-C does: by a KeyboardInterrupt, which cleans up on its way."""

import os
import signal
import sys
import threading

_PAUSE = 0.05
"""Seconds until a signal that Python swallowed is sent again."""


class Interrupted(Exception):
    """SIGTERM or Ctrl-C stopped a training; its state was saved, and the same command goes on from there.

    Attributes:
        signal_number: Which signal.
    """

    def __init__(self, step: int, signal_number: int):
        super().__init__(f"stopped after step {step} and saved; the same command goes on from there")
        self.signal_number = signal_number


def obey_termination() -> None:
    """Makes SIGTERM raise `KeyboardInterrupt(SIGTERM)` in the main thread, whatever that is doing."""
    signal.signal(signal.SIGTERM, _raise)
    sys.unraisablehook = _send_again


def ignore_termination() -> None:
    """For the end, when the work is done: Python's closing down must not end in a traceback."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _raise(number, frame):
    raise KeyboardInterrupt(number)


def _send_again(unraisable) -> None:
    """Python drops what is raised in a finaliser or in a weak reference's callback; a signal may arrive just there."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    number = (getattr(unraisable.exc_value, "args", ()) or (signal.SIGINT,))[0]
    timer = threading.Timer(_PAUSE, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
