"""Measures of one photo, from which its faults are told: sharpness, structure beside the product, border, contrast."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 160
"""Photos are measured at this length of their longer side, or at their own where that is shorter."""

MIN_SIDE = 16
"""Photos are padded to this side, so that every measure has pixels to stand on."""

_BLURS = (0.5, 0.8, 1.2, 2.0)
_BANDS = 8
_SECTORS = 4
_GRID = 4
_LEVELS = (3, 8, 20, 40)
_HISTOGRAM = (1, 3, 6, 12, 24, 48, 96)


def shrink(photo: np.ndarray) -> np.ndarray:
    """Reduces uint8 [H, W, 3] to at most `SIDE` pixels a side; smaller photos stay as they are."""
    height, width = photo.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return photo
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def measure(photo: np.ndarray) -> np.ndarray:
    """Measures a photo.

    Args:
        photo: uint8 [H, W, 3].

    Returns:
        float32 [n]; the same n for photos of every size.
    """
    colour = shrink(photo).astype(np.float32)
    pad = [(0, max(0, MIN_SIDE - side)) for side in colour.shape[:2]]
    colour = np.pad(colour, [*pad, (0, 0)], mode="edge")
    grey = colour @ np.float32([0.299, 0.587, 0.114])
    ring = np.concatenate([colour[0], colour[-1], colour[:, 0], colour[:, -1]])
    background = np.median(ring, axis=0)
    distance = np.abs(colour - background).max(axis=-1)
    height, width = photo.shape[:2]
    parts = (
        [math.log(width / height), math.log(min(width, height))],
        _contrast(colour, grey, distance),
        _sharpness(grey),
        _spectrum(grey),
        _components(distance),
        _strokes(grey, distance),
        _border(colour, distance),
        _lines(colour, grey),
    )
    return np.nan_to_num(np.concatenate([np.asarray(part, np.float32).ravel() for part in parts]), posinf=0, neginf=0)


def quantiles(values: np.ndarray, percent: float | Sequence[float]) -> np.ndarray:
    """Computes values at some percents of the way from smallest to largest; as `numpy.percentile`, and faster."""
    ordered = np.sort(values, axis=None)
    return ordered[(np.asarray(percent) / 100 * (ordered.size - 1)).round().astype(int)]


def _contrast(colour: np.ndarray, grey: np.ndarray, distance: np.ndarray) -> list[float]:
    low, high = quantiles(grey, [1, 99])
    shares = np.histogram(distance, [0, *_HISTOGRAM, 256])[0] / distance.size
    saturation = colour.max(axis=-1) - colour.min(axis=-1)
    # Semi-transparent marks on a plain background are pale and have one tint.
    pale = (distance > 3) & (distance < 90)
    tint = (colour - colour.mean(axis=-1, keepdims=True))[pale].std(axis=0) if pale.sum() > 4 else np.zeros(3)
    return [grey.std(), grey.mean(), high - low, grey.max() - grey.min(), *shares, saturation.mean(), *tint]


def _sharpness(grey: np.ndarray) -> list[float]:
    """Measures what share of the gradients further blurring takes, by direction, and how steep the edges are."""
    found = []
    gradients = _gradients(grey)
    means = [np.abs(gradient).mean() + 0.05 for gradient in gradients]
    for sigma in _BLURS:
        again = _gradients(ndimage.gaussian_filter(grey, sigma))
        found += [math.log((np.abs(one).mean() + 0.05) / mean) for one, mean in zip(again, means)]
    for shape in ((1, 5), (5, 1)):
        again = _gradients(ndimage.uniform_filter(grey, shape))
        found += [math.log((np.abs(one).mean() + 0.05) / mean) for one, mean in zip(again, means)]
    contrast = np.ptp(grey) + 1
    for gradient in gradients:
        steep = quantiles(np.abs(gradient), [75, 90, 97, 99.5]) / contrast
        found += [*steep, math.log(mean_ratio(gradient))]
    curvature = np.abs(ndimage.laplace(grey))
    found += [*(quantiles(curvature, [50, 90, 97, 99.5]) / contrast), math.log(curvature.mean() + 0.05)]
    found += [math.log(means[a] / means[b]) for a, b in ((0, 1), (2, 3))]
    return found


def mean_ratio(gradient: np.ndarray) -> float:
    """Peakedness of a gradient: its root mean square over its mean size; blurring lowers it."""
    return float((np.sqrt(np.square(gradient).mean()) + 0.05) / (np.abs(gradient).mean() + 0.05))


def _gradients(grey: np.ndarray) -> tuple[np.ndarray, ...]:
    return (
        grey[:, 1:] - grey[:, :-1],
        grey[1:] - grey[:-1],
        grey[1:, 1:] - grey[:-1, :-1],
        grey[1:, :-1] - grey[:-1, 1:],
    )


def _spectrum(grey: np.ndarray) -> list[float]:
    """Logarithms of the energy by frequency, and by direction at the higher frequencies."""
    height, width = grey.shape
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    energy = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2 / grey.size
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius = np.minimum((np.hypot(x, y) * 2 * _BANDS).astype(int), _BANDS - 1)
    sector = ((np.arctan2(y, x) / np.pi + 0.5) * _SECTORS + 0.5).astype(int) % _SECTORS
    band = _mean_by(radius, energy, _BANDS)
    fine = _mean_by(sector[radius >= _BANDS // 2], energy[radius >= _BANDS // 2], _SECTORS)
    band, fine = np.log(band + 1e-2), np.log(fine + 1e-2)
    # Tiles repeat: the second highest peak of the autocorrelation of the details.
    details = grey - ndimage.gaussian_filter(grey, 2)
    spectrum = np.abs(np.fft.rfft2(np.clip(details, -12, 12))) ** 2
    correlation = np.fft.irfft2(spectrum, grey.shape)
    correlation /= correlation[0, 0] + 1
    ry, rx = max(4, height // 10), max(4, width // 10)
    for part in (np.s_[:ry, :rx], np.s_[:ry, -rx:], np.s_[-ry:, :rx], np.s_[-ry:, -rx:]):
        correlation[part] = 0
    return [*band, *(band[1:] - band[:-1]), *(fine - fine.mean()), correlation.max(), np.abs(correlation).mean()]


def _mean_by(groups: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    sums = np.bincount(groups.ravel(), values.ravel(), count)
    return sums / np.maximum(np.bincount(groups.ravel(), minlength=count), 1)


def _components(distance: np.ndarray) -> list[float]:
    """Measures the areas beside the largest one on the background: how many, how large, how far apart."""
    found = []
    for level in _LEVELS:
        mask = distance > level
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        sizes = np.bincount(labels.ravel(), minlength=2)[1:]
        largest = int(sizes.argmax())
        share = mask.mean()
        beside = mask & (labels != largest + 1)
        spots = sizes >= 2
        rows, columns = beside.any(axis=1).mean(), beside.any(axis=0).mean()
        strength = distance[beside].mean() if beside.any() else 0
        spread = distance[beside].std() if beside.any() else 0
        found += [share, sizes[largest] / mask.size, beside.mean(), spots.sum(), rows, columns, strength, spread]
        # How full the product's box is: thin letters that join it make it wider, not fuller.
        if count:
            y, x = ndimage.find_objects(labels, largest + 1)[largest]
            box = (y.stop - y.start) * (x.stop - x.start)
            found += [box / mask.size, sizes[largest] / box]
        else:
            found += [0, 0]
    return found


def _strokes(grey: np.ndarray, distance: np.ndarray) -> list[float]:
    """Thin bright and dark strokes, everywhere, on the plain background, on smooth parts, and by place."""
    found = []
    local = ndimage.uniform_filter(grey, 9)
    roughness = np.sqrt(np.maximum(ndimage.uniform_filter(grey * grey, 9) - local * local, 0))
    smooth = roughness < quantiles(roughness, 60)
    plain = distance < 60
    rows = np.arange(grey.shape[0]) * _GRID // grey.shape[0]
    columns = np.arange(grey.shape[1]) * _GRID // grey.shape[1]
    cells = rows[:, None] * _GRID + columns
    for size in (3, 5):
        bright = grey - ndimage.grey_opening(grey, (size, size))
        dark = ndimage.grey_closing(grey, (size, size)) - grey
        for strokes in (bright, dark):
            found += [*quantiles(strokes, [75, 90, 98])]
            for region in (smooth, plain):
                some = strokes[region] if region.any() else np.zeros(1)
                found += [some.mean(), *quantiles(some, [90, 98]), (some > 4).mean()]
        both = np.minimum(bright + dark, 30)
        by_cell = _mean_by(cells, both, _GRID * _GRID)
        found += [*by_cell, *quantiles(by_cell, [10, 50]), by_cell.std() / (by_cell.mean() + 0.5)]
    return found


def _border(colour: np.ndarray, distance: np.ndarray) -> list[float]:
    """Measures how much of each side the product touches, and along what length."""
    found = []
    sides = []
    for turn in range(4):
        turned = np.rot90(distance, turn)
        side = turned[: max(1, len(turned) // 40)].mean(axis=0) > 16
        runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[False], side, [False]]).astype(int))))[::2]
        inner = turned[len(turned) // 8] > 16
        sides.append((side.mean(), (runs.max() if runs.size else 0) / len(side), inner.mean()))
    found += [value for side in sides for value in side]
    touched = sorted(side[0] for side in sides)
    mask = distance > 16
    y, x = np.nonzero(mask) if mask.any() else (np.zeros(1), np.zeros(1))
    height, width = mask.shape
    found += [*touched, sum(side > 0.02 for side in touched), y.mean() / height, x.mean() / width]
    found += [y.std() / height, x.std() / width]
    return found


def _lines(colour: np.ndarray, grey: np.ndarray) -> list[float]:
    """Straight edges across the whole photo, and bands of one colour along a side, as cut-off files have."""
    found = []
    for turn in range(4):
        turned = np.rot90(colour, turn)
        same = np.abs(turned - turned[0].mean(axis=0)).max(axis=(1, 2)) < 10
        band = len(same) if same.all() else int((~same).argmax())
        found += [band / len(same), turned[0].mean() / 255, np.ptp(turned[0].mean(axis=0)), turned[0].std(axis=0).max()]
        # A band's end: how straight the edge after it is.
        edge = np.abs(turned[min(band + 1, len(same) - 1)] - turned[max(band - 1, 0)]).max(axis=-1)
        found += [(edge > 12).mean()]
    for gradient in (np.abs(np.diff(grey, axis=0)), np.abs(np.diff(grey, axis=1)).T):
        across = (gradient > 10).mean(axis=1)
        found += [across.max(), np.sort(across)[-3:].mean(), across.argmax() / len(across)]
    return found
