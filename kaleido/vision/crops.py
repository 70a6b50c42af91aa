"""Cuts a photo's box into the 74 crops to encode: the 55 patches, level 1 also rotated, level 4 also in grey.

Encoding these variants once lets every corruption of the pre-training tasks be drawn anew at each epoch.
"""

import numpy as np
from PIL import Image

from kaleido.constants import LEVEL_SLICES
from kaleido.vision.patches import Grid, cells

ROTATIONS = slice(0, 4)
"""Level 1 rotated by 0, 90, 180 and 270 degrees counter-clockwise."""

LEVEL2 = slice(4, 8)
LEVEL3 = slice(8, 17)
COLOUR = slice(17, 33)
"""Level 4 in colour."""

GREY = slice(33, 49)
"""Level 4 without colour."""

LEVEL5 = slice(49, 74)
FEATURES = 74

LEVEL_ROWS = (ROTATIONS, LEVEL2, LEVEL3, slice(COLOUR.start, GREY.stop), LEVEL5)
"""Rows of each level among the 74."""

# The filter of EfficientNet-Lite's own preprocessing. Pillow widens it when it shrinks a picture, which is the
# antialiasing; where it enlarges (cells of small photos are of 12x16 pixels), bicubic keeps edges that bilinear smears,
# without the ringing of Lanczos next to white.
RESAMPLING = Image.Resampling.BICUBIC

LUMA = np.array([19595, 38470, 7471], np.uint32)
"""ITU-R 601 weights 0.299, 0.587, 0.114 of red, green, blue, in 65536ths."""


def cut(
    photo: np.ndarray, box: tuple[int, int, int, int], crop_sizes: tuple[int, ...], grid: Grid = "kaleido"
) -> tuple[np.ndarray, ...]:
    """Cuts the patches of a photo, resizes each once from the photo's own pixels, and makes the variants.

    Args:
        photo: uint8 [H, W, 3].
        box: (x1, y1, x2, y2) of the product in pixels, at least `MIN_SIDES` a side.
        crop_sizes: Side of the square crops of each level, in pixels.
        grid: Grid that the box is cut by.

    Returns:
        uint8 [n, s, s, 3] for each level, with n = 4, 4, 9, 32, 25: one after another, the 74 rows of `LEVEL_ROWS`.
    """
    image = Image.fromarray(photo)
    every = cells(box, grid)
    level1, level2, level3, level4, level5 = (
        np.stack([_resize(image, cell, size) for cell in every[rows].tolist()])
        for rows, size in zip(LEVEL_SLICES, crop_sizes, strict=True)
    )
    turned = np.stack([np.rot90(level1[0], turns) for turns in range(4)])
    return turned, level2, level3, np.concatenate([level4, grey(level4)]), level5


def _resize(image: Image.Image, cell: list[int], size: int) -> np.ndarray:
    # Cropped before it is resized: `resize(box=...)` lets its filter reach into the neighbouring cells, whose pixels
    # would give away which patches belong side by side.
    return np.asarray(image.crop(cell).resize((size, size), RESAMPLING))


def grey(crops: np.ndarray) -> np.ndarray:
    """Replaces colours by their luma, alike in all three channels: uint8 [..., 3] -> uint8 [..., 3]."""
    luma = (crops @ LUMA + (1 << 15)) >> 16
    return np.repeat(luma[..., None].astype(np.uint8), 3, axis=-1)
