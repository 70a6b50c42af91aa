"""Antialiasing polygon rasteriser in integers, so that its results are the same on every machine."""

from dataclasses import dataclass

import numpy as np

_UNITS = 16
"""Subpixel positions: coordinates are rounded to 1/16 pixel."""
_LINES = 4
"""Scan lines per pixel row; along a row the coverage is exact."""
_STEP = _UNITS // _LINES


@dataclass(frozen=True, slots=True)
class Placement:
    """Similarity transform from garment units to the pixels of a photo.

    Attributes:
        scale: Pixels per unit.
        tilt: Tangent of half the angle of rotation, clockwise.
        anchor: Point in garment units that is mapped to `target`.
        target: Image of the anchor in pixels.
        flipped: Whether left and right are swapped (the product seen from behind).
    """

    scale: float
    tilt: float
    anchor: tuple[float, float]
    target: tuple[float, float]
    flipped: bool = False

    def _matrix(self) -> tuple[float, float, float, float]:
        scale = self.scale / (1 + self.tilt * self.tilt)
        cos, sin = (1 - self.tilt * self.tilt) * scale, 2 * self.tilt * scale
        side = -1 if self.flipped else 1
        return cos * side, -sin, sin * side, cos

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Converts garment units to pixels, both float64 [..., 2]."""
        a, b, c, d = self._matrix()
        x, y = points[..., 0] - self.anchor[0], points[..., 1] - self.anchor[1]
        return np.stack([a * x + b * y + self.target[0], c * x + d * y + self.target[1]], axis=-1)

    def units(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns x and y of the pixel centres in garment units, float32 [size, size] each."""
        a, b, c, d = self._matrix()
        det = a * d - b * c
        centres = np.arange(size) + 0.5
        x, y = centres[None, :] - self.target[0], centres[:, None] - self.target[1]
        u = (d / det) * x - (b / det) * y + self.anchor[0]
        v = (a / det) * y - (c / det) * x + self.anchor[1]
        return u.astype(np.float32), v.astype(np.float32)


def coverage(contours: np.ndarray, size: int) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """Computes the share of each pixel that the union of polygons covers.

    Args:
        contours: [n, k, 2] in pixels; n polygons of k corners with the same orientation.
        size: Side of the photo in pixels, to which polygons are clipped.

    Returns:
        The (rows, columns) of the bounding box and the coverage, float32 [rows, columns] in 0..1; None outside the
        photo.
    """
    corners = np.floor(contours * _UNITS + 0.5).astype(np.int64)
    start, end = corners.reshape(-1, 2), np.roll(corners, -1, axis=1).reshape(-1, 2)
    down = end[:, 1] > start[:, 1]
    upper, lower = np.where(down[:, None], start, end), np.where(down[:, None], end, start)
    # Scan line k lies at y = k * _STEP + _STEP / 2; an edge crosses those from its upper end to before its lower end.
    first = np.clip(-((_STEP // 2 - upper[:, 1]) // _STEP), 0, size * _LINES)
    count = np.clip(-((_STEP // 2 - lower[:, 1]) // _STEP), 0, size * _LINES) - first
    total = int(count.sum())
    if not total:
        return None
    edge = np.repeat(np.arange(len(count)), count)
    line = np.arange(total) + np.repeat(first - (np.cumsum(count) - count), count)
    height, width = (lower - upper)[edge, 1], (lower - upper)[edge, 0]
    x = upper[edge, 0] + width * (line * _STEP + _STEP // 2 - upper[edge, 1]) // height
    x = np.clip(x, 0, size * _UNITS)

    row, column, part = line // _LINES, x // _UNITS, x % _UNITS
    top, left = int(row.min()), int(column.min())
    rows, columns = int(row.max()) + 1 - top, min(int(column.max()) + 1, size) - left
    if columns <= 0:
        return None
    # Each crossing adds or subtracts everything to its right; the cumulative sum along a row is the coverage.
    stride = columns + 2
    place = (row - top) * stride + column - left
    sign = np.where(down, 1, -1)[edge]
    change = np.bincount(place, sign * (_UNITS - part), rows * stride)
    change += np.bincount(place + 1, sign * part, rows * stride)
    covered = np.abs(np.cumsum(change.reshape(rows, stride), axis=1)[:, :columns])
    covered = np.minimum(covered * (1 / (_UNITS * _LINES)), 1).astype(np.float32)
    return (slice(top, top + rows), slice(left, left + columns)), covered
