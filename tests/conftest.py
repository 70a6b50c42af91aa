import gc
import sys

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, and nothing about the code.
settings.register_profile("kaleido", deadline=None)
settings.load_profile("kaleido")


def pytest_runtest_setup():
    """Spares every collection of garbage the half million objects that the frameworks hold, once they are loaded."""
    if "keras" in sys.modules and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


def pytest_sessionfinish():
    """Spares pytest's last collections of garbage what the frameworks hold.

    They would take longer than the five seconds after which a worker of pytest-xdist that has not ended is interrupted.
    """
    gc.freeze()


@pytest.fixture(scope="module")
def uncompiled():
    """Runs TensorFlow's functions without compiling them."""
    from compiling import functions  # imports Keras, which most tests do without

    pytest_runtest_setup()
    with functions(eagerly=True):
        yield


@pytest.fixture
def compiled():
    """Compiles TensorFlow's functions for a test in a module that is `uncompiled`."""
    from compiling import functions

    with functions(eagerly=False):
        yield


@pytest.fixture(scope="module")
def no_java():
    """Spares the seconds that METEOR takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        yield
