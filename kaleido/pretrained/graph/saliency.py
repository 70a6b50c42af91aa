"""Finds the product of a photo in TensorFlow operations, as `kaleido.vision.saliency` does."""

from typing import Any

import tensorflow as tf

from kaleido.pretrained.graph.resizing import resized, resized_map
from kaleido.vision.saliency import BorderSaliency, NoSaliency, Saliency
from kaleido.vision.saliency.unet_marker import SIDE, UnetMarker


def can_mark(saliency: Saliency) -> bool:
    """Tells whether `marked` knows a method."""
    return isinstance(saliency, UnetMarker | BorderSaliency | NoSaliency)


def marked(saliency: Saliency, photo: Any) -> Any:
    """Marks the product: uint8 [H, W, 3] -> bool [H, W], as `Saliency.mask` does."""
    if isinstance(saliency, UnetMarker):
        found = _by_network(saliency, photo)
    elif isinstance(saliency, BorderSaliency):
        found = _by_border(saliency, photo)
    else:
        return tf.ones(tf.shape(photo)[:2], tf.bool)
    return found | ~tf.reduce_any(found)


def box_of(mask: Any, min_side: int) -> Any:
    """Computes the box around a mask, int32 [4], [x1, y1, x2, y2], as `kaleido.vision.saliency.box_of` does."""
    (y1, y2), (x1, x2) = (_extent(tf.reduce_any(mask, axis), min_side) for axis in (1, 0))
    return tf.stack([x1, y1, x2, y2])


def _extent(occupied: Any, min_side: int) -> tuple[Any, Any]:
    places = tf.cast(tf.where(occupied)[:, 0], tf.int32)
    start, stop = places[0], places[-1] + 1
    missing = min_side - (stop - start)
    enlarged = tf.minimum(tf.maximum(start - missing // 2, 0), tf.size(occupied) - min_side)
    start = tf.where(missing > 0, enlarged, start)
    return start, tf.where(missing > 0, start + min_side, stop)


def _by_network(saliency: Any, photo: Any) -> Any:
    squeezed = tf.cast(resized(photo, SIDE), tf.float32)
    scores = saliency.network(squeezed[None], training=False)[0]
    inside = scores > 0
    labels, sizes = _parts(inside)
    large = tf.cast(sizes, tf.float64) >= saliency.MIN_SHARE * tf.cast(tf.reduce_max(sizes), tf.float64)
    kept = ~inside | tf.gather(large, labels)
    likely = tf.where(kept, tf.sigmoid(tf.clip_by_value(scores, -30.0, 30.0)), 0)
    height, width = tf.unstack(tf.shape(photo)[:2])
    return resized_map(likely, height, width) > 0.5


def _by_border(saliency: BorderSaliency, photo: Any) -> Any:
    height, width = tf.unstack(tf.shape(photo)[:2])
    inset = tf.maximum(1, tf.cast(tf.round(saliency.BORDER * tf.cast(tf.minimum(height, width), tf.float64)), tf.int32))
    inner = [(tf.range(side) >= inset) & (tf.range(side) < side - inset) for side in (height, width)]
    ring = ~(inner[0][:, None] & inner[1])
    values = tf.cast(photo, tf.float64)
    distance = tf.reduce_max(tf.abs(values - _median(tf.boolean_mask(values, ring))), -1)
    spread = 1.4826 * _median(tf.boolean_mask(distance, ring))
    labels, sizes = _parts(distance > tf.maximum(saliency.DEVIATIONS * spread, saliency.min_distance))
    area = saliency.min_area * tf.cast(height * width, tf.float64)
    return (labels > 0) & tf.gather(tf.cast(sizes, tf.float64) >= area, labels)


def _median(values: Any) -> Any:
    """Median along the first axis."""
    ordered = tf.sort(values, axis=0)
    count = tf.shape(values)[0]
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def _parts(mask: Any) -> tuple[Any, Any]:
    """Finds the connected parts of a mask, diagonal neighbours included.

    Labels are numbers of pixels. In each round a pixel takes the largest label around it and tells it to the pixel that
    its own label names, then takes the label of the one that its new label names; the number of rounds grows with the
    logarithm of a part's extent.

    Args:
        mask: bool [H, W].

    Returns:
        int32 [H, W], the number of each pixel's part, 0 off the mask; and int32 [H * W + 1], the pixels of each part,
        0 at 0.
    """
    height, width = tf.unstack(tf.shape(mask))
    count = height * width
    inside = tf.reshape(mask, [-1])
    first = tf.concat([[0], tf.where(inside, tf.range(1, count + 1), 0)], 0)

    def round_of(labels: Any, _: Any) -> tuple[Any, Any]:
        picture = tf.reshape(labels[1:], [1, height, width, 1])
        near = tf.reshape(tf.nn.max_pool2d(picture, 3, 1, "SAME"), [-1])
        near = tf.where(inside, near, 0)
        told = tf.tensor_scatter_nd_max(tf.concat([[0], near], 0), labels[1:, None], near)
        told = tf.gather(told, told)
        return told, tf.reduce_any(told != labels)

    labels, _ = tf.while_loop(lambda labels, changed: changed, round_of, (first, tf.constant(True)))
    sizes = tf.math.unsorted_segment_sum(tf.cast(inside, tf.int32), labels[1:], count + 1)
    return tf.reshape(labels[1:], [height, width]), sizes
