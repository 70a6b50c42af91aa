"""Decodes JPEG and PNG files in TensorFlow operations, as `kaleido.vision.photo` does with Pillow."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_JPEG, _PNG = (0xFF, 0xD8, 0xFF), (0x89, 0x50, 0x4E, 0x47)
_ORIENTATION, _SHORT = 0x0112, 3
_NO_MORE = 0
"""Place in a file where a search for a block ends without result: no block begins there."""


def decoded(data: Any, max_megapixels: float, min_side: int) -> Any:
    """Decodes a photo, with the camera's (EXIF) rotation applied and transparency laid on white.

    TensorFlow's `InvalidArgumentError` names what is wrong with a photo that is neither JPEG nor PNG, damaged, too
    small or too large.

    Args:
        data: string [], the bytes of a JPEG or PNG.
        max_megapixels: Largest number of pixels, in millions.
        min_side: Smallest side in pixels.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    # With a byte more, so that an empty one can be looked at as well.
    file = tf.io.decode_raw(tf.strings.join([data, "\0"]), tf.uint8)
    is_jpeg, is_png = _begins(file, 0, _JPEG), _begins(file, 0, _PNG)
    known = tf.debugging.Assert(is_jpeg | is_png, ["photo cannot be decoded: not a JPEG or PNG picture"])
    with tf.control_dependencies([known]):
        size = tf.cond(is_jpeg, lambda: tf.io.extract_jpeg_shape(data)[:2], lambda: _png_size(file))
    # Before it is decoded: some kilobytes can claim gigabytes.
    pixels = tf.reduce_prod(tf.cast(size, tf.float64))
    limits = [
        tf.debugging.Assert(
            tf.reduce_min(size) >= min_side,
            [f"photo is too small: at least {min_side} pixels a side; height, width:", size],
        ),
        tf.debugging.Assert(
            pixels <= round(max_megapixels * 1e6),
            [f"photo is too large: at most {max_megapixels:g} million pixels are read; height, width:", size],
        ),
    ]
    with tf.control_dependencies(limits):
        data = tf.identity(data)
    photo = tf.cond(is_jpeg, lambda: _from_jpeg(data), lambda: _from_png(data, _bytes(file, 24, 1)[0]))
    return _upright(photo, _orientation(file, is_jpeg))


def _from_jpeg(data: Any) -> Any:
    # The transform that Pillow uses; TensorFlow's default is a quicker and coarser one.
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


def _from_png(data: Any, depth: Any) -> Any:
    """Lays a picture on white in Pillow's whole numbers; `depth` is its number of bits a channel."""
    found = tf.cast(tf.io.decode_png(data, channels=4), tf.int32)
    colour, alpha = found[..., :3], found[..., 3:]
    # TensorFlow calls pixels opaque by the largest number of this depth, where the picture has no transparency.
    opaque = (depth < 8) & tf.reduce_all(alpha == tf.bitwise.left_shift(1, depth) - 1)
    alpha = tf.where(opaque, 255, alpha)
    sums = (colour * alpha + 255 * (255 - alpha)) * 128 + (128 << 7)
    shift = tf.bitwise.right_shift
    return tf.cast(shift(shift(shift(sums, 8) + sums, 8), 7), tf.uint8)


def _upright(photo: Any, orientation: Any) -> Any:
    """Undoes the rotation that EXIF's orientation, 1 to 8, tells of."""
    photo = tf.cond(orientation >= 5, lambda: tf.transpose(photo, (1, 0, 2)), lambda: photo)
    upside_down = tf.reduce_any(orientation == (3, 4, 7, 8))
    mirrored = tf.reduce_any(orientation == (2, 3, 6, 7))
    return tf.raw_ops.Reverse(tensor=photo, dims=tf.stack([upside_down, mirrored, tf.constant(False)]))


def _orientation(file: Any, is_jpeg: Any) -> Any:
    """Reads the orientation of a file's EXIF block, int32 []; 1 where there is none."""
    start = tf.cond(is_jpeg, lambda: _jpeg_exif(file), lambda: _png_exif(file))
    small = _begins(file, start, b"II")
    known = (start != _NO_MORE) & (small | _begins(file, start, b"MM"))

    def read() -> Any:
        directory = start + _number(file, start + 4, 4, small)
        entries = directory + 2 + 12 * tf.range(_number(file, directory, 2, small))
        wanted = (_number(file, entries, 2, small) == _ORIENTATION) & (_number(file, entries + 2, 2, small) == _SHORT)
        values = tf.boolean_mask(_number(file, entries + 8, 2, small), wanted)
        value = tf.concat([values, [1]], 0)[0]
        return tf.where((value >= 1) & (value <= 8), value, 1)

    return tf.cond(known, read, lambda: 1)


def _jpeg_exif(file: Any) -> Any:
    """Finds where the EXIF data of a JPEG begin; `_NO_MORE` if there are none."""

    def is_exif(at: Any) -> Any:
        return _begins(file, at, b"\xff\xe1") & _begins(file, at + 4, b"Exif\0\0")

    def following(at: Any) -> Any:
        # Pixels follow a start of scan, after which no block is searched.
        ends = ~_begins(file, at, b"\xff") | _begins(file, at, b"\xff\xda")
        return tf.where(ends, _NO_MORE, at + 2 + _number(file, at + 2, 2))

    return _search(file, 2, 10, is_exif, following)


def _png_exif(file: Any) -> Any:
    """Finds where the EXIF data of a PNG begin; `_NO_MORE` if there are none."""
    return _search(file, 8, 8, lambda at: _begins(file, at + 4, b"eXIf"), lambda at: at + 12 + _number(file, at, 4))


def _search(file: Any, start: int, header: int, found: Callable[[Any], Any], following: Callable[[Any], Any]) -> Any:
    """Goes from block to block; gives the place after the header of the first that is wanted."""

    def going_on(at: Any) -> Any:
        return (at > _NO_MORE) & (at < tf.size(file)) & ~found(at)

    at = tf.while_loop(going_on, lambda at: (following(at),), (tf.constant(start),))[0]
    return tf.where((at > _NO_MORE) & (at < tf.size(file)), at + header, _NO_MORE)


def _png_size(file: Any) -> Any:
    """Height and width in the header of a PNG, int32 [2]."""
    return tf.stack([_number(file, 20, 4), _number(file, 16, 4)])


def _begins(file: Any, at: Any, wanted: bytes | tuple[int, ...]) -> Any:
    """Tells whether these bytes stand at a place."""
    return tf.reduce_all(_bytes(file, at, len(wanted)) == tf.constant(list(wanted)))


def _number(file: Any, at: Any, size: int, small: Any = False) -> Any:
    """Reads a number of some bytes, the smallest first or last, at a place or several: int32."""
    order = tf.range(size)
    shifts = 8 * tf.where(small, order, size - 1 - order)
    return tf.reduce_sum(tf.bitwise.left_shift(_bytes(file, at, size), shifts), -1)


def _bytes(file: Any, at: Any, size: int) -> Any:
    """Bytes at a place or several, int32 [..., size]; 0 beyond the end of the file."""
    places = tf.convert_to_tensor(at)[..., None] + tf.range(size)
    inside = (places >= 0) & (places < tf.size(file))
    return tf.where(inside, tf.cast(tf.gather(file, tf.where(inside, places, 0)), tf.int32), 0)
