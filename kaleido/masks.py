"""Random masks for dropout that cost little, in the functions of each backend."""

import math
from typing import Any

import numpy as np


def drop_on_jax(values: Any, rate: float, seed: Any) -> Any:
    """Sets a share `rate` of some values to 0 and scales the others, by `random_words` of a seed uint32 [2]."""
    import jax.numpy as jnp

    keep = random_words(values.shape, seed) < np.uint32(round((1 - rate) * 2**32))
    # In float32, where the compiler computes it anyway: bfloat16 would round the scale by up to 0.4 %.
    scaled = values.astype(jnp.float32) * np.float32(1 / (1 - rate))
    return jnp.where(keep, scaled, 0).astype(values.dtype)


def random_words(shape: tuple[int, ...], seed: Any) -> Any:
    """Hashes seed, row and place within the row to uint32 of a shape, on JAX.

    An elementwise function of its indices: the compiler makes it part of the operation that uses the words, on the
    device that has the row, so that no random number passes through memory. JAX's own generators write theirs there,
    and `rng_bit_generator` draws all rows on every device. The hash is Ellis' `lowbias32`, with a second key between
    its two rounds so that the words of one row are not those of another at a distance.

    Args:
        shape: Rows first.
        seed: uint32 [2], seed and counter.
    """
    from jax import lax

    rows = lax.broadcasted_iota(np.uint32, (shape[0],) + (1,) * (len(shape) - 1), 0) * _GOLDEN
    key = _second_round(_first_round(_second_round(_first_round(seed[0])) + seed[1] * _GOLDEN))
    one, two = (_second_round(_first_round(rows + (key ^ salt))) for salt in (np.uint32(0), np.uint32(0x5BD1E995)))
    words = one
    for axis in range(1, len(shape)):
        stride = np.uint32(math.prod(shape[axis + 1 :]) * int(_GOLDEN) % 2**32)
        words = words + lax.broadcasted_iota(np.uint32, shape, axis) * stride
    return _second_round(_first_round(words) ^ two)


_GOLDEN = np.uint32(0x9E3779B9)
"""2^32 over the golden ratio: its multiples lie far apart."""


def _first_round(words: Any) -> Any:
    return (words ^ (words >> 16)) * np.uint32(0x7FEB352D)


def _second_round(words: Any) -> Any:
    words = (words ^ (words >> 15)) * np.uint32(0x846CA68B)
    return words ^ (words >> 16)


def drop_on_tensorflow(values: Any, rate: float, seed: Any) -> Any:
    """Sets a share `rate` of some values to 0 and scales the others, by random bytes of a seed [2]."""
    import tensorflow as tf

    size, levels, part = 1, 256, tf.uint8
    if abs(round(rate * levels) / levels - rate) > 0.02 * rate:
        size, levels, part = 2, 65536, tf.uint16
    kept = round((1 - rate) * levels)
    # AnyFlow draws whole words; four masks share one.
    words = tf.random.stateless_uniform(
        [-(-tf.size(values) * size // 4)], seed, minval=None, maxval=None, dtype=tf.int32
    )
    parts = tf.reshape(tf.bitcast(words, part), [-1])[: tf.size(values)]
    keep = tf.reshape(parts < tf.constant(kept, part), tf.shape(values))
    return values * (tf.cast(keep, values.dtype) * tf.cast(levels / kept, values.dtype))
