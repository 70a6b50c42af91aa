"""The deep-learning framework, imported on first use and without its start-up messages.

Modules that only call Keras write `from kaleido.backend import keras, ops`: importing them takes milliseconds, so that
a task can be registered, a configuration checked and a mistyped option answered before the framework is loaded.
"""

import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kaleido.compilations import keep_compilations
from kaleido.errors import UserError
from kaleido.shortage import check_addresses, shortage

_ADDRESSES, _ADDRESSES_OF_CORE = 3 << 30, 128 << 20
"""Bytes of addresses with which TensorFlow trains a tiny model, and those of a core's stacks and heaps."""

_THREADS = 16


class _LazyModule(ModuleType):
    """Imports a module of Keras when one of its attributes is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # requested by tools that inspect every module
            raise AttributeError(name)
        import_backend()
        return getattr(importlib.import_module(self.__name__), name)


if TYPE_CHECKING:
    import keras
    from keras import ops
else:
    keras, ops = _LazyModule("keras"), _LazyModule("keras.ops")


@contextmanager
def precision(policy: str | None) -> Iterator[None]:
    """Sets Keras' dtype policy inside the `with` block and restores the former one afterwards.

    Args:
        policy: Name of the policy; None keeps the current one, which the block may change.
    """
    former = keras.config.dtype_policy()
    try:
        if policy:
            keras.config.set_dtype_policy(policy)
        yield
    finally:
        keras.config.set_dtype_policy(former)


def accelerators() -> int:
    """Counts the devices of the backend that are not processors."""
    return sum(not name.startswith("cpu") for name in keras.distribution.list_devices())


def import_backend() -> None:
    """Imports Keras on the backend in use (`KERAS_BACKEND`, TensorFlow by default).

    TensorFlow writes start-up messages straight to file descriptor 2, whatever its log level. They are shown only if
    the import fails.
    """
    if "keras" in sys.modules:
        return
    _check_limits()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Networks trace once for each batch shape, of which there are several on purpose.
    logging.getLogger("tensorflow").addFilter(lambda record: "tf.function retracing" not in str(record.msg))
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as notes, _signals_deferred():
        os.dup2(notes.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            notes.seek(0)
            os.write(original, notes.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
    if keras.backend.backend() == "jax":
        keep_compilations()


def _check_limits() -> None:
    """Raises a UserError where the process lacks memory or threads, without which a framework may hang or crash."""
    check_addresses(_ADDRESSES, _ADDRESSES_OF_CORE, "the framework")
    done = threading.Event()
    threads = [threading.Thread(target=done.wait, daemon=True) for _ in range(_THREADS + 4 * (os.cpu_count() or 1))]
    try:
        for thread in threads:
            thread.start()
    except (MemoryError, RuntimeError) as error:
        raise UserError(f"{shortage(error) or error}. Received: room for less than {len(threads)} more") from None
    finally:
        done.set()


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Defers Ctrl-C and SIGTERM: native code swallows the exception that they raise in the middle of an import."""
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
