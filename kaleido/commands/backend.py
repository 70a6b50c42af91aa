"""Importing Keras and its backend without their noise."""

import os
import signal
import sys
import tempfile


def import_backend() -> None:
    """Imports Keras on the backend in use.

    TensorFlow writes start-up notes straight to file descriptor 2, whatever its log level says, and they would drown
    the one line that matters; they are shown only if the import fails. A Ctrl-C or SIGTERM waits for the end of the
    import, which may otherwise swallow it.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as notes:
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
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
