"""Thumbnails of photos, which an index keeps."""

import io

import numpy as np
from PIL import Image

from kaleido.pictures import fit, open_picture
from kaleido.vision.photo import decode

SIDE, QUALITY = 256, 85
"""Longer side in pixels at most, and quality of the JPEG."""


def thumbnail(photo: bytes | np.ndarray, max_megapixels: float) -> bytes:
    """Makes a JPEG of a photo, at most `SIDE` pixels a side, upright, on white and without metadata.

    Args:
        photo: Encoded picture, or uint8 [H, W, 3].
        max_megapixels: Largest photo, in millions of pixels.

    Raises:
        UserError: if the photo cannot be decoded.
    """
    opened: np.ndarray | bytes | Image.Image = photo
    if isinstance(photo, bytes) and photo[:2] == b"\xff\xd8":
        # Decoders of JPEG shrink at a fraction of the work.
        opened = open_picture(photo)
        fit(opened, max_megapixels)
        opened.draft(None, (2 * SIDE, 2 * SIDE))
    image = Image.fromarray(decode(opened, max_megapixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=QUALITY)
    return data.getvalue()
