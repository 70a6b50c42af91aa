"""Switches the compilation of TensorFlow's functions, which takes far longer than a few tiny steps."""

from contextlib import contextmanager

import keras


@contextmanager
def functions(eagerly: bool):
    """Runs TensorFlow's functions operation by operation, or compiles them."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
