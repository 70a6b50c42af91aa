"""Importing Keras and its backend without their noise."""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def import_backend() -> None:
    """Imports Keras on the backend in use.

    TensorFlow writes start-up notes straight to file descriptor 2, whatever its log level says, and they would drown
    the one line that matters; they are shown only if the import fails.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as notes, _signals_deferred():
        os.dup2(notes.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            notes.seek(0)
            os.write(original, notes.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM wait: native code swallows the exception that they raise in the middle of an import."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {
        number: signal.signal(number, lambda caught_number, _: caught.append(caught_number)) for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for number in caught[:1]:
            signal.raise_signal(number)
