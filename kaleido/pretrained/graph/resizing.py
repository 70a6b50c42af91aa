"""Pillow's antialiased resampling in TensorFlow operations, to the bit.

Pillow resamples along one axis and then along the other. A pass multiplies pixels with integer weights, in units of
2**-22, and rounds to uint8. The products and their sums are whole numbers below 2**53, which float64 holds exactly.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_UNIT = 2.0**22

Filter = tuple[Callable[[Any], Any], float]
"""A filter's function of distances float64, and the distance from which it is 0."""


def _cubic(x: Any) -> Any:
    x = tf.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return tf.where(x < 1, near, tf.where(x < 2, far, tf.zeros_like(x)))


def _triangle(x: Any) -> Any:
    return tf.maximum(1 - tf.abs(x), 0)


BICUBIC: Filter = (_cubic, 2.0)
BILINEAR: Filter = (_triangle, 1.0)


def resized_cells(pixels: Any, across: Any, down: Any, size: int) -> Any:
    """Resizes the cells of a grid, each from its own pixels alone, as `kaleido.vision.crops` does.

    Args:
        pixels: uint8 [H, W, 3].
        across: int32 [c + 1], cuts between the columns, in pixels.
        down: int32 [r + 1], cuts between the rows.
        size: Side of the results in pixels.

    Returns:
        uint8 [r, c, size, size, 3].
    """

    def columns_first() -> Any:
        return _shrunk(_turned(_shrunk(_turned(pixels), across, size)), down, size)

    def rows_first() -> Any:
        return _turned(_shrunk(_turned(_shrunk(pixels, down, size)), across, size))

    # Pillow's choice of the first axis. The cells of a grid differ by a pixel at most; the first decides for all.
    height, width = down[1] - down[0] - size, across[1] - across[0] - size
    every = tf.cond((height > 0) & (height > 2 * width), rows_first, columns_first)
    shape = [tf.size(down) - 1, size, tf.size(across) - 1, size, 3]
    return tf.transpose(tf.reshape(every, shape), (0, 2, 1, 3, 4))


def resized(pixels: Any, size: int) -> Any:
    """Resizes a whole photo: uint8 [H, W, 3] -> uint8 [size, size, 3]."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    return resized_cells(pixels, tf.stack([0, width]), tf.stack([0, height]), size)[0, 0]


def resized_map(values: Any, height: Any, width: Any) -> Any:
    """Resizes a map bilinearly: float32 [h, w] -> float32 [height, width]."""
    for size in (width, height):
        values = tf.transpose(values)
        length = tf.shape(values)[:1]
        weights = _weights(length, size, BILINEAR)[0]
        values = tf.cast(tf.matmul(weights, tf.cast(values, tf.float64)), tf.float32)
    return values


def _turned(pixels: Any) -> Any:
    return tf.transpose(pixels, (1, 0, 2))


def _shrunk(pixels: Any, cuts: Any, size: int) -> Any:
    """Resizes the parts between cuts of the first axis: uint8 [A, B, 3] -> uint8 [(cuts - 1) * size, B, 3]."""
    starts, lengths = cuts[:-1], cuts[1:] - cuts[:-1]
    whole, other = tf.unstack(tf.shape(pixels)[:2])
    longest = tf.reduce_max(lengths)
    # Rows beyond a shorter part have a weight of 0.
    rows = tf.gather(pixels, tf.minimum(starts[:, None] + tf.range(longest), whole - 1))
    rows = tf.cast(tf.reshape(rows, [tf.size(starts), longest, other * 3]), tf.float64)
    weights = _weights(lengths, size, BICUBIC) * _UNIT
    weights = tf.where(weights < 0, tf.math.ceil(weights - 0.5), tf.floor(weights + 0.5))
    sums = tf.floor(tf.matmul(weights, rows) / _UNIT + 0.5)
    return tf.reshape(tf.cast(tf.clip_by_value(sums, 0, 255), tf.uint8), [tf.size(starts) * size, other, 3])


def _weights(lengths: Any, size: Any, filter: Filter) -> Any:
    """Weights of the pixels of each part for each pixel of the result: float64 [n, size, longest]."""
    function, support = filter
    length = tf.cast(lengths, tf.float64)[:, None, None]
    scale = length / tf.cast(size, tf.float64)
    stretch = tf.maximum(scale, 1)
    centre = (tf.cast(tf.range(size), tf.float64)[:, None] + 0.5) * scale
    first = tf.maximum(tf.floor(centre - support * stretch + 0.5), 0)
    end = tf.minimum(tf.floor(centre + support * stretch + 0.5), length)
    place = tf.cast(tf.range(tf.reduce_max(lengths)), tf.float64)
    found = tf.where((place >= first) & (place < end), function((place - centre + 0.5) * (1 / stretch)), 0)
    return found / tf.reduce_sum(found, -1, keepdims=True)
