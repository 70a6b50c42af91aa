"""Decodes photo files of all kinds to RGB pixels."""

import threading

import numpy as np
from PIL import Image, ImageOps

from kaleido.errors import UserError
from kaleido.pictures import (
    FLOATING_POINT,
    HEAD,
    MAX_MEGAPIXELS,
    check_size,
    check_whole,
    fit,
    open_picture,
    reason_of,
)

_LOADING = threading.Lock()
"""Held while pixels of an opened picture are unpacked, which Pillow does for one thread at a time."""


def decode(data: bytes | np.ndarray | Image.Image, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Decodes a photo.

    The camera's (EXIF) rotation is applied, transparency is laid on white, CMYK, palette and 16-bit pictures become
    8-bit RGB, and of an animation the first frame is taken. A JPEG or JPEG 2000 beyond the limit is decoded at a
    reduced size (`kaleido.pictures.fit`); its box and its patches are then in the pixels of that size.

    Args:
        data: An encoded picture, a Pillow image, or uint8 [H, W, 3] pixels, which are only checked.
        max_megapixels: Largest number of pixels, in millions.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        UserError: if the photo cannot be decoded, is truncated, too small or too large. The caller names the photo.
    """
    if isinstance(data, np.ndarray):
        if data.dtype != np.uint8 or data.ndim != 3 or data.shape[2] != 3:
            raise UserError(f"photo must be uint8 [H, W, 3]. Received: {data.dtype} {list(data.shape)}")
        check_size(data.shape[1], data.shape[0], max_megapixels)
        return data
    try:
        if isinstance(data, Image.Image):
            check_size(*data.size, max_megapixels)
            with _LOADING:
                data.load()
            return np.asarray(_to_rgb(ImageOps.exif_transpose(data)))
        check_whole(data[:HEAD], len(data))
        with open_picture(data) as image:
            fit(image, max_megapixels)
            return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
    except UserError:
        raise
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        raise UserError(reason_of(error, max_megapixels)) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UserError(FLOATING_POINT)
    if image.mode.startswith("I"):  # 16-bit grey; `convert` would clip it at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
