"""Compilation of a model's inference functions by the backend in use."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.backend import keras

if TYPE_CHECKING:
    from keras import Model


def compiled(model: "Model", function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function that reads a model's weights and changes nothing.

    TensorFlow compiles it once for all shapes, JAX once for each.

    Args:
        model: Model whose weights the function reads; later changes of the weights take effect.
        function: Takes and returns tensors, or dicts of tensors, and uses Keras ops only.

    Returns:
        The same function of NumPy arrays.
    """
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def run(weights: list[Any], *arguments: Any) -> Any:
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
