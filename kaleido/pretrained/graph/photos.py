"""Features of photos from the bytes of their files, in TensorFlow operations."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kaleido.constants import LEVEL_SLICES, LEVELS, PATCHES
from kaleido.errors import UserError
from kaleido.pretrained.graph.decoding import decoded
from kaleido.pretrained.graph.resizing import resized_cells
from kaleido.pretrained.graph.saliency import box_of, can_mark, marked
from kaleido.vision.backbones import Backbone
from kaleido.vision.backbones.random_projection import RandomProjection
from kaleido.vision.patches import MIN_SIDES, places

if TYPE_CHECKING:
    from kaleido.vision.features import FeatureExtractor

_AT_ONCE = 2
"""Photos of a batch that are prepared side by side; each may take hundreds of megabytes."""


def photo_reader(extractor: "FeatureExtractor", raw_positions: bool) -> Callable[[Any], dict[str, Any]]:
    """Makes the function that prepares photos as an extractor does.

    Args:
        extractor: Extractor with the saliency, grid, crop sizes and backbone of the model.
        raw_positions: Whether positions are in pixels, as in the original release.

    Returns:
        Function from files, string [n], to `level1` to `level5`, float32 [n, m, D], and `positions`, float32
        [n, 55, 5].

    Raises:
        UserError: if saliency or backbone are none of Kaleido's.
    """
    if not can_mark(extractor.saliency):
        raise UserError(f"the saliency {type(extractor.saliency).__name__} runs in Python alone")
    encode = _encoder(extractor.backbone)

    def read(data: Any) -> dict[str, Any]:
        least = MIN_SIDES[extractor.grid]
        photo = decoded(data, extractor.max_megapixels, least)
        box = box_of(marked(extractor.saliency, photo), least)
        cells = _cells(box, places(extractor.grid))
        crops = [_crops(photo, box, extractor, level) for level in range(len(LEVELS))]
        features: dict[str, Any] = {}
        for size in dict.fromkeys(extractor.crop_sizes):
            of_size = [level for level in range(len(LEVELS)) if extractor.crop_sizes[level] == size]
            vectors = encode(tf.concat([crops[level] for level in of_size], 0))
            # Records and `Model.features` hold float16.
            vectors = tf.cast(tf.cast(vectors, tf.float16), tf.float32)
            parts = tf.split(vectors, [LEVELS[level] ** 2 for level in of_size])
            features |= {f"level{level + 1}": part for level, part in zip(of_size, parts)}
        return features | {"positions": _positions(cells, tf.shape(photo), raw_positions)}

    size = extractor.backbone.feature_size
    shapes = {f"level{level}": tf.TensorSpec((level**2, size), tf.float32) for level in LEVELS}
    shapes["positions"] = tf.TensorSpec((PATCHES, 5), tf.float32)
    return lambda photos: tf.map_fn(read, photos, fn_output_signature=shapes, parallel_iterations=_AT_ONCE)


def _crops(photo: Any, box: Any, extractor: "FeatureExtractor", level: int) -> Any:
    """Cuts and resizes the cells of a level: uint8 [m, s, s, 3]."""
    size = extractor.crop_sizes[level]
    wanted = places(extractor.grid)[LEVEL_SLICES[level]]
    rows, columns = wanted[0][2:]
    down = box[1] + (box[3] - box[1]) * tf.range(rows + 1) // rows
    across = box[0] + (box[2] - box[0]) * tf.range(columns + 1) // columns
    grid = resized_cells(photo, across, down, size)
    found = tf.gather_nd(grid, [(row, column) for row, column, *_ in wanted])
    return tf.ensure_shape(found, (len(wanted), size, size, 3))


def _cells(box: Any, grid: list[tuple[int, int, int, int]]) -> Any:
    """Cuts a box into its cells, int32 [55, 4], as `kaleido.vision.patches.cells` does."""
    row, column, rows, columns = np.array(grid, np.int32).T
    (x1, y1), (width, height) = (box[0], box[1]), (box[2] - box[0], box[3] - box[1])
    edges = [
        x1 + width * column // columns,
        y1 + height * row // rows,
        x1 + width * (column + 1) // columns,
        y1 + height * (row + 1) // rows,
    ]
    return tf.stack(edges, 1)


def _positions(cells: Any, shape: Any, raw: bool) -> Any:
    """Describes where cells lie, float32 [55, 5], as `kaleido.vision.patches.positions` does."""
    x1, y1, x2, y2 = tf.unstack(tf.cast(cells, tf.float64), axis=1)
    found = tf.stack([x1, x2, y1, y2, (x2 - x1) * (y2 - y1)], 1)
    if not raw:
        height, width = tf.unstack(tf.cast(shape[:2], tf.float64))
        found = found / tf.stack([width, width, height, height, width * height])
    return tf.cast(found, tf.float32)


def _encoder(backbone: Backbone) -> Callable[[Any], Any]:
    """Makes the function from crops uint8 [n, s, s, 3] to features float32 [n, D]."""
    if network := getattr(backbone, "network", None):
        # Names of layers that begin with an underscore are none that a SavedModel may have at its root: hence a scope
        # and variables without names.
        weights = [
            [tf.Variable(variable.numpy(), trainable=False) for variable in of]
            for of in (network.trainable_variables, network.non_trainable_variables)
        ]

        def encode(crops: Any) -> Any:
            with tf.name_scope(backbone.name):
                return network.stateless_call(*weights, tf.cast(crops, tf.float32), training=False)[0]

        return encode
    if isinstance(backbone, RandomProjection):
        return lambda crops: _projected(backbone, crops)
    raise UserError(f"the backbone {backbone.name} runs in Python alone")


def _projected(backbone: RandomProjection, crops: Any) -> Any:
    size, thumbnail = crops.shape[1], backbone.THUMBNAIL
    cuts = np.arange(thumbnail + 1) * size // thumbnail
    place = np.arange(size)
    mean = ((place >= cuts[:-1, None]) & (place < cuts[1:, None])) / np.diff(cuts)[:, None]
    mean = tf.constant(mean, tf.float32)
    pixels = tf.einsum("yh,xw,nhwc->nyxc", mean, mean, tf.cast(crops, tf.float32)) / 127.5 - 1
    return tf.nn.relu(tf.reshape(pixels, (-1, len(backbone.kernel))) @ backbone.kernel + backbone.bias)
