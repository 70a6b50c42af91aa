"""Compiles networks for inference on the backend in use."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def inference(network: keras.Model) -> Callable[[np.ndarray], Any]:
    """Compiles a network whose weights do not change any more; several threads may call it at once.

    Args:
        network: Network of one input and one output.

    Returns:
        Function of a batch uint8 [n, ...]. `np.asarray` of its result waits until it is computed; on JAX it returns
        before.
    """
    if keras.backend.backend() != "jax":
        # TensorFlow's own kernels (oneDNN) run convolutions many times as fast on a CPU as XLA's.
        network.compile(jit_compile=False)
        return network.predict_on_batch
    import jax

    weights = [
        [variable.value for variable in of] for of in (network.trainable_variables, network.non_trainable_variables)
    ]

    # Not Keras' own `predict_on_batch`: that waits for each result, and donates weights, so that two threads could not
    # call it at once.
    @jax.jit
    def run(trainable: list[Any], others: list[Any], batch: Any) -> Any:
        return network.stateless_call(trainable, others, batch, training=False)[0]

    return lambda batch: run(*weights, batch)
