"""Lays one photo over another, and tells how alike they are then."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 64
"""Photos are compared as squares of this side, in pixels."""

_STEPS = 8
_STRIDE = 4.0
"""Largest move of a step, in pixels."""

_HOPELESS, _DIFFERENT = 0.75, 0.9
"""Correlations before and after the fit below which two photos are not compared further."""

Box = tuple[float, float, float, float]

Affine = tuple[float, float, float, float]
"""Scale and shift of the columns, scale and shift of the rows, from places of one photo (0..1) to the other's."""

SAME: Affine = (1.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Similarity of two photos that are laid over one another.

    Attributes:
        common: Share of the first photo that the other shows too.
        colour: Correlation of the pixels that show something, 1 for the same picture in any brightness and contrast.
        detail: Correlation of the fine details.
        residue: Root mean square of what differs, in grey levels of 0..255.
        tint: Largest difference of the hue of some place, in levels of 0..255.
    """

    common: float
    colour: float
    detail: float
    residue: float
    tint: float


def square(photo: np.ndarray) -> np.ndarray:
    """Squeezes uint8 [H, W, 3] to float32 [SIDE, SIDE, 3]."""
    picture = Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(picture, np.float32)


def overlay(one: np.ndarray, other: np.ndarray, box: Box, other_box: Box) -> Overlay | None:
    """Finds the crop, stretch and mirroring that lays `other` over `one`, and compares; None if they differ much.

    Args:
        one: float32 [SIDE, SIDE, 3], as `square` makes it.
        other: The same of the other photo.
        box: What stands out from the background of `one`, in shares.
        other_box: The same of the other photo.
    """
    grey = ndimage.gaussian_filter(one.mean(axis=-1), 1.0)
    against = ndimage.gaussian_filter(other.mean(axis=-1), 1.0)
    mirrored_box = 1 - other_box[2], other_box[1], 1 - other_box[0], other_box[3]
    tried = [
        (_agreement(grey, target, start), start, mirrored)
        for mirrored, target, there in ((False, against, other_box), (True, against[:, ::-1], mirrored_box))
        for start in (SAME, _box_to_box(box, there))
    ]
    agreement, place, mirrored = max(tried)
    if agreement < _HOPELESS:
        return None
    if mirrored:
        other, against = other[:, ::-1], against[:, ::-1]
    agreement, place = _refine(grey, against, place, agreement)
    return _compare(one, other, place) if agreement >= _DIFFERENT else None


def _box_to_box(here: Box, there: Box) -> Affine:
    scale_x = (there[2] - there[0]) / (here[2] - here[0])
    scale_y = (there[3] - there[1]) / (here[3] - here[1])
    return scale_x, there[0] - scale_x * here[0], scale_y, there[1] - scale_y * here[1]


def _coordinates(place: Affine) -> tuple[np.ndarray, np.ndarray]:
    steps = (np.arange(SIDE) + 0.5) / SIDE
    scale_x, shift_x, scale_y, shift_y = place
    return (scale_y * steps + shift_y) * SIDE - 0.5, (scale_x * steps + shift_x) * SIDE - 0.5


def _sample(values: np.ndarray, place: Affine) -> tuple[np.ndarray, np.ndarray]:
    """Values [SIDE, SIDE, ...] at the places of the other photo, and where these lie inside it."""
    y, x = _coordinates(place)
    inside = ((y > -0.75) & (y < SIDE - 0.25))[:, None] & ((x > -0.75) & (x < SIDE - 0.25))
    rows, columns = _weights(y), _weights(x)
    return np.einsum("ab,bc...,dc->ad...", rows, values, columns, optimize=True), inside


def _weights(places: np.ndarray) -> np.ndarray:
    """Matrix of linear interpolation, [SIDE, SIDE]."""
    places = places.clip(0, SIDE - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(SIDE))).astype(np.float32)


def _agreement(grey: np.ndarray, against: np.ndarray, place: Affine) -> float:
    moved, inside = _sample(against, place)
    if inside.mean() < 0.4:
        return -1.0
    return _correlation(grey[inside], moved[inside])


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (np.sqrt((one * one).sum() * (other * other).sum()) + 1e-3))


def _refine(grey: np.ndarray, against: np.ndarray, place: Affine, best: float) -> tuple[float, Affine]:
    """Follows the gradients (Lucas and Kanade, with brightness and contrast) as long as the photos agree better."""
    steps = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    for _ in range(_STEPS):
        moved, inside = _sample(against, place)
        slope_y, slope_x = np.gradient(moved)
        # Derivatives by place of the other photo: the sampled picture is stretched by the scale.
        slope_x, slope_y = slope_x * SIDE / place[0], slope_y * SIDE / place[2]
        columns = [slope_x * steps, slope_x, slope_y * steps[:, None], slope_y, moved, np.ones_like(moved)]
        matrix = np.stack([column[inside] for column in columns])
        normal = matrix @ matrix.T + np.diag([1e-3] * 6)
        gain_free = np.linalg.solve(normal, matrix @ grey[inside])
        gain = gain_free[4] if abs(gain_free[4]) > 0.2 else 1.0
        move = gain_free[:4] / gain
        if np.abs(move).max() * SIDE > _STRIDE:
            move *= _STRIDE / (np.abs(move).max() * SIDE)
        for share in (1.0, 0.5, 0.2):
            following = tuple(float(a + share * b) for a, b in zip(place, move))
            agreement = (
                _agreement(grey, against, following) if 0.6 < min(following[::2]) <= max(following[::2]) < 1.7 else 0
            )
            if agreement > best + 1e-5:
                place, best = following, agreement
                break
        else:
            break
    return best, place


def _compare(one: np.ndarray, other: np.ndarray, place: Affine) -> Overlay:
    moved, inside = _sample(other, place)
    ring = np.concatenate([one[0], one[-1], one[:, 0], one[:, -1]])
    shown = np.abs(one - np.median(ring, axis=0)).max(axis=-1) > 12
    shown |= np.abs(moved - np.median(ring, axis=0)).max(axis=-1) > 40
    region = ndimage.binary_dilation(shown, iterations=1) & inside
    if region.sum() < 40:
        region = inside
    first, second = one[region], moved[region]
    gain, offset = np.polyfit(second.ravel(), first.ravel(), 1)
    residue = float(np.sqrt(np.square(first - gain * second - offset).mean()))
    flat = (values.mean(axis=-1) for values in (one, moved))
    fine_one, fine_other = (values - ndimage.gaussian_filter(values, 2.0) for values in flat)
    inner = ndimage.binary_erosion(region, iterations=2)
    inner = inner if inner.sum() > 60 else region
    colour, detail = _correlation(first, second), _correlation(fine_one[inner], fine_other[inner])
    return Overlay(float(inside.mean()), colour, detail, residue, _tint(one - moved, inside))


def _tint(difference: np.ndarray, inside: np.ndarray) -> float:
    red, green, blue = np.moveaxis(difference, -1, 0)
    hues = (ndimage.gaussian_filter(hue, 1.5) for hue in (red - green, blue - (red + green) / 2))
    return float(max(np.abs(hue)[inside].max() for hue in hues))
