"""Decodes photo files of all kinds to RGB pixels."""

import io
import threading
import warnings

import numpy as np
from PIL import Image, ImageOps

from kaleido.errors import UserError

MIN_SIDE = 5
"""Minimum side in pixels: the finest grid has five cells a side, and every cell needs a pixel."""

MAX_PIXELS = 64_000_000
"""Maximum number of pixels; larger photos are rejected before they are decoded: some kilobytes can claim gigabytes."""

# Pillow knows more formats; some of those start other programs (EPS) or are no photos at all.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")

_LOADING = threading.Lock()
"""Held while pixels of an opened picture are unpacked, which Pillow does for one thread at a time."""

# Pillow warns between its own limit and twice that; such photos are rejected here in any case.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(data: bytes | np.ndarray | Image.Image) -> np.ndarray:
    """Decodes a photo.

    The camera's (EXIF) rotation is applied, transparency is laid on white, CMYK, palette and 16-bit pictures become
    8-bit RGB, and of an animation the first frame is taken.

    Args:
        data: An encoded picture, a Pillow image, or uint8 [H, W, 3] pixels, which are only checked.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        UserError: if the photo cannot be decoded, is truncated, too small or too large. The caller names the photo.
    """
    if isinstance(data, np.ndarray):
        if data.dtype != np.uint8 or data.ndim != 3 or data.shape[2] != 3:
            raise UserError(f"photo must be uint8 [H, W, 3]. Received: {data.dtype} {list(data.shape)}")
        _check_size(data.shape[1], data.shape[0])
        return data
    try:
        if isinstance(data, Image.Image):
            _check_size(*data.size)
            with _LOADING:
                data.load()
            return np.asarray(_to_rgb(ImageOps.exif_transpose(data)))
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            return np.asarray(_to_rgb(ImageOps.exif_transpose(image)))
    except UserError:
        raise
    except Image.UnidentifiedImageError as error:
        raise UserError("photo cannot be decoded: not a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF picture") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"photo is too large: at most {MAX_PIXELS:,} pixels are read") from error
    except Exception as error:  # damaged files make Pillow's decoders raise nearly anything
        raise UserError(f"photo cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}") from error


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise UserError(f"photo is too small: at least {MIN_SIDE}x{MIN_SIDE} pixels. Received: {width}x{height}")
    if width * height > MAX_PIXELS:
        raise UserError(f"photo is too large: at most {MAX_PIXELS:,} pixels are read. Received: {width}x{height}")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UserError("photo cannot be decoded: floating-point pixels; save it with 8 bits a channel")
    if image.mode.startswith("I"):  # 16-bit grey; `convert` would clip it at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
