"""Outlines as lists of vertices in garment units: x from -50 (left) to 50, y from 0 (top) to 100.

Only sums, products, quotients and square roots are used: unlike sines and cosines, IEEE 754 defines them to the last
bit, so they are the same on every machine.
"""

from collections.abc import Sequence

import numpy as np

Vertex = tuple[float, float] | tuple[float, float, float]
"""Corner (x, y) or (x, y, roundness): 0 is sharp, 1 is rounded up to the middle of both its edges."""

Vertices = Sequence[Vertex]

_STEPS = 6
"""Straight segments of a rounded corner."""


def outline(vertices: Vertices, closed: bool = True) -> np.ndarray:
    """Computes the polygon, or the open line, through vertices with rounded corners; float64 [n, 2]."""
    last = len(vertices) - 1
    points = []
    for i, (x, y, *rest) in enumerate(vertices):
        roundness = rest[0] if rest and (closed or 0 < i < last) else 0
        if not roundness:
            points.append((x, y))
            continue
        half = roundness / 2
        (px, py, *_), (nx, ny, *_) = vertices[i - 1], vertices[(i + 1) % len(vertices)]
        ax, ay, bx, by = x + (px - x) * half, y + (py - y) * half, x + (nx - x) * half, y + (ny - y) * half
        for step in range(_STEPS + 1):
            t = step / _STEPS
            u, v, w = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
            points.append((u * ax + v * x + w * bx, u * ay + v * y + w * by))
    return np.array(points)


def mirrored(vertices: Vertices) -> list[Vertex]:
    """Mirrors vertices at the axis x = 0 and reverses their order."""
    return [(-x, *rest) for x, *rest in reversed(vertices)]


def symmetric(half: Vertices) -> list[Vertex]:
    """Completes the right half of an outline, listed from the top of the axis x = 0 to its bottom."""
    return [*half, *mirrored(half)]


def moved(vertices: Vertices, dx: float, dy: float) -> list[Vertex]:
    return [(x + dx, y + dy, *rest) for x, y, *rest in vertices]


def rectangle(x1: float, y1: float, x2: float, y2: float, roundness: float = 0) -> list[Vertex]:
    return [(x, y, roundness) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))]


def ellipse(x: float, y: float, width: float, height: float | None = None) -> list[Vertex]:
    """Makes an ellipse from its centre and radii (a circle from one radius), as a fully rounded octagon."""
    height = width if height is None else height
    k = 0.41421356  # tan(22.5 degrees): the octagon then touches the ellipse in the middle of each edge
    corners = ((1, k), (k, 1), (-k, 1), (-1, k), (-1, -k), (-k, -1), (k, -1), (1, -k))
    return [(x + width * a, y + height * b, 1) for a, b in corners]


def stroke(points: np.ndarray, width: float, closed: bool) -> np.ndarray:
    """Makes a mitred line of a width: a quadrilateral a segment, all of the same orientation; float64 [n, 4, 2]."""
    if closed:
        points = np.concatenate([points[-1:], points, points[:2]])
    along = points[1:] - points[:-1]
    length = np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:])
    across = along[:, ::-1] * np.array([-1.0, 1.0]) / np.maximum(length, 1e-9)
    before, after = np.concatenate([across[:1], across]), np.concatenate([across, across[-1:]])
    cosine = before[:, :1] * after[:, :1] + before[:, 1:] * after[:, 1:]
    corner = (before + after) / np.maximum(1 + cosine, 0.5) * (width / 2)
    if closed:
        points, corner = points[1:-1], corner[1:-1]
    inner, outer = points - corner, points + corner
    return np.stack([outer[:-1], outer[1:], inner[1:], inner[:-1]], axis=1)
