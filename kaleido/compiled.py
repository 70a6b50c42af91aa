"""Compilation of a model's inference functions by the backend in use."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.backend import keras

if TYPE_CHECKING:
    from keras import Model


def compiled(model: "Model", function: Callable[..., Any], fetch: bool = True) -> Callable[..., Any]:
    """Compiles a function that reads a model's weights and changes nothing.

    TensorFlow compiles it once for all shapes, JAX once for each.

    Args:
        model: Model whose weights the function reads; later changes of the weights take effect.
        function: Takes and returns tensors, or dicts of tensors, and uses Keras ops only.
        fetch: Return NumPy arrays. Otherwise the results stay on the device, as tensors that other compiled functions
            take, and a call does not wait for them.

    Returns:
        The same function of NumPy arrays or tensors.
    """
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def run(weights: list[Any], *arguments: Any) -> Any:
            with keras.StatelessScope(list(zip(model.variables, weights))):
                return function(*arguments)

        def call(*arguments: Any) -> Any:
            found = run([variable.value for variable in model.variables], *arguments)
            return keras.tree.map_structure(np.asarray, found) if fetch else found

        return call
    import tensorflow as tf

    traced = tf.function(function, reduce_retracing=True, autograph=False)

    def call_traced(*arguments: Any) -> Any:
        found = traced(*tf.nest.map_structure(tf.convert_to_tensor, arguments))
        return keras.tree.map_structure(lambda values: values.numpy(), found) if fetch else found

    return call_traced
