"""Small pictures of photos, by which copies of a photo are found and proven."""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy import fft

SIDE = 24
"""Width and height of a look; photos are squeezed to a square."""

_LOW = 8
"""Frequencies of the brightness a direction that the signature keeps; of the colours half as many."""

_OPPONENT = np.float32([[0.299, 0.587, 0.114], [0.5, 0, -0.5], [-0.25, 0.5, -0.25]]).T
_FOREGROUND = 16.0


def look(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Makes the looks of a photo.

    Args:
        photo: uint8 [H, W, 3].

    Returns:
        Two uint8 [SIDE, SIDE, 3]: of the whole photo, and of what stands out from its background, which is the same
        whatever margin the product was given.
    """
    picture = Image.fromarray(photo)
    return _squeeze(picture), _squeeze(picture.crop(_box(photo)))


def _squeeze(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))


def box_share(photo: np.ndarray) -> tuple[float, float, float, float]:
    """Box (x1, y1, x2, y2) of what stands out from the background, in shares of the photo."""
    height, width = photo.shape[:2]
    x1, y1, x2, y2 = _box(photo)
    return x1 / width, y1 / height, x2 / width, y2 / height


def _box(photo: np.ndarray) -> tuple[int, int, int, int]:
    """Box around nearly all of what differs from the border's colour; the whole photo where the border is not plain."""
    height, width = photo.shape[:2]
    step = max(1, min(height, width) // 128)
    small = photo[::step, ::step].astype(np.float32)
    ring = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    mask = np.abs(small - np.median(ring, axis=0)).max(axis=-1) > _FOREGROUND
    if mask.sum() < 20:
        return 0, 0, width, height
    # Single specks do not move the box: rows and columns count from the second pixel on.
    y, x = np.flatnonzero(mask.sum(axis=1) > 1), np.flatnonzero(mask.sum(axis=0) > 1)
    if not y.size or not x.size:
        return 0, 0, width, height
    return int(x[0] * step), int(y[0] * step), min(width, int(x[-1] + 1) * step), min(height, int(y[-1] + 1) * step)


def windows(looks: np.ndarray) -> Iterator[np.ndarray]:
    """Cuts looks uint8 [n, SIDE, SIDE, 3] to the middle and the corners, as crops of a photo are."""
    for share, top, left in ((0.86, 0.5, 0.5), (0.9, 0, 0), (0.9, 0, 1), (0.9, 1, 0), (0.9, 1, 1)):
        rows, columns = _stretch(share, top), _stretch(share, left)
        yield np.einsum("ab,nbcd,ec->naed", rows, looks.astype(np.float32), columns, optimize=True)


def _stretch(share: float, place: float) -> np.ndarray:
    """Matrix that stretches a part of a row of pixels to the whole, [SIDE, SIDE]."""
    steps = ((np.arange(SIDE) + 0.5) * share + place * (1 - share) * SIDE - 0.5).clip(0, SIDE - 1)
    return np.maximum(0, 1 - np.abs(steps[:, None] - np.arange(SIDE))).astype(np.float32)


def signatures(looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes what similar looks have in common: their low frequencies.

    Args:
        looks: uint8 [n, SIDE, SIDE, 3].

    Returns:
        float32 [n, d] of length 1 of the looks, and of their mirror images.
    """
    opponent = looks.astype(np.float32) @ _OPPONENT
    waves = fft.dctn(opponent, axes=(1, 2), norm="ortho")
    mirror = np.where(np.arange(SIDE) % 2, -1, 1).astype(np.float32)[:, None]
    both = []
    for sign in (1, mirror):
        turned = waves * sign
        # Roots bring the few large waves, which all photos of a kind share, nearer to the others.
        kept = [turned[:, :_LOW, :_LOW, 0], *(turned[:, : _LOW // 2, : _LOW // 2, c] for c in (1, 2))]
        flat = np.concatenate([part.reshape(len(looks), -1) for part in kept], axis=1)
        flat[:, 0] = 0
        flat = np.sign(flat) * np.sqrt(np.abs(flat))
        both.append(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6))
    return both[0], both[1]
