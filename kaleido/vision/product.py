"""Picture and cell mask of a photo's product, as alignment reads them."""

import io

import numpy as np
from PIL import Image

SIDE, CELL = 224, 16
"""Sides in pixels of a product's picture and of a cell of its feature map."""

GRID = SIDE // CELL
CELLS = GRID**2

# Costs 0.1 ms and some kilobytes a photo. Lossless pictures would take up to 40 % of a record's size; docs/design.md
# has the numbers.
_JPEG_QUALITY = 90


def encode_product(photo: np.ndarray, box: tuple[int, int, int, int]) -> bytes:
    """Encodes the content of a box as JPEG; sides longer than 224 pixels are shrunk to 224.

    Args:
        photo: uint8 [H, W, 3].
        box: (x1, y1, x2, y2) in pixels.
    """
    crop = Image.fromarray(photo).crop(box)
    crop = crop.resize((min(crop.width, SIDE), min(crop.height, SIDE)), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    crop.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def decode_product(data: bytes) -> np.ndarray:
    """Decodes the result of `encode_product` in the size of a map's input: uint8 [224, 224, 3].

    Raises:
        OSError: if it is damaged.
    """
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if max(image.size) > SIDE or image.mode != "RGB":
            raise OSError(f"a picture of {image.size} and mode {image.mode}")
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def cell_mask(mask: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Measures how much of each cell of a box the product fills.

    Args:
        mask: bool [H, W], True on the product.
        box: (x1, y1, x2, y2) in pixels.

    Returns:
        uint8 [14, 14], shares of 255.
    """
    x1, y1, x2, y2 = box
    inside = Image.fromarray(mask[y1:y2, x1:x2].astype(np.uint8) * 255)
    return np.asarray(inside.resize((GRID, GRID), Image.Resampling.BOX))


def spread_mask(cells: np.ndarray, box: tuple[int, int, int, int], height: int, width: int) -> np.ndarray:
    """Draws a mask of the photo from its cell mask, to show it: bool [height, width]."""
    x1, y1, x2, y2 = box
    inside = Image.fromarray(cells).resize((x2 - x1, y2 - y1), Image.Resampling.BICUBIC)
    mask = np.zeros((height, width), bool)
    mask[y1:y2, x1:x2] = np.asarray(inside) > 127
    return mask
