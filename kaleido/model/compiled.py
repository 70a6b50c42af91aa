"""A model's functions, compiled by the backend in use."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kaleido.backend import keras


def compiled(model: "keras.Model", function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function that computes with a model's weights and changes nothing.

    TensorFlow compiles it once for all shapes, JAX once for each.

    Args:
        model: Whose weights; later changes of them count.
        function: Of tensors, or dicts of tensors, in Keras ops; gives tensors.

    Returns:
        The same of NumPy arrays.
    """
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def run(weights, *arguments):
            with keras.StatelessScope(list(zip(model.variables, weights))):
                return function(*arguments)

        return lambda *arguments: keras.tree.map_structure(
            np.asarray, run([variable.value for variable in model.variables], *arguments)
        )
    import tensorflow as tf

    traced = tf.function(function, reduce_retracing=True)
    return lambda *arguments: keras.tree.map_structure(
        lambda values: values.numpy(), traced(*tf.nest.map_structure(tf.convert_to_tensor, arguments))
    )
