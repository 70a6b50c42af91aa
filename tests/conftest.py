import gc
from contextlib import contextmanager

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("kaleido", deadline=None)
settings.load_profile("kaleido")


def pytest_sessionfinish():
    """Spares pytest's last collections of garbage what the frameworks hold.

    They would take longer than the five seconds after which a worker of pytest-xdist that has not ended is interrupted.
    """
    gc.freeze()


@contextmanager
def _functions(eagerly: bool):
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eagerly)
    yield
    tf.config.run_functions_eagerly(before)


@pytest.fixture(scope="module")
def uncompiled():
    """Runs TensorFlow's functions without compiling them, which takes far longer than a few tiny steps."""
    with _functions(eagerly=True):
        yield


@pytest.fixture(scope="module")
def no_java():
    """Spares the seconds that METEOR takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        yield


@pytest.fixture(scope="class")
def compiled():
    """Compiles TensorFlow's functions for a test or class in a module that is `uncompiled`."""
    with _functions(eagerly=False):
        yield
