"""Dropout whose random numbers cost little."""

from typing import Any

import keras

from kaleido.masks import drop_on_jax, drop_on_tensorflow
from kaleido.model.tensors import Tensor


@keras.saving.register_keras_serializable("kaleido")
class Dropout(keras.layers.Layer):
    """Sets values to 0 in training and scales the others so that the mean stays: [B, ...] -> [B, ...].

    On JAX a value is dropped at the given rate to 2^-32, by a hash of seed, counter, row and place. On TensorFlow it is
    dropped by a random byte, at the nearest of 256 rates, 0.1016 for 0.1, or by two bytes where that is more than 2 %
    off; the scale is of the rate taken.

    Args:
        rate: Share of the values to drop, [0, 1).
    """

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate
        if rate:
            self.seed_generator = keras.random.SeedGenerator()

    def call(self, values: Tensor, training: bool | None = None) -> Tensor:
        if not training or not self.rate:
            return values
        drop = drop_on_jax if keras.backend.backend() == "jax" else drop_on_tensorflow
        return drop(values, self.rate, self.seed_generator.next())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}
