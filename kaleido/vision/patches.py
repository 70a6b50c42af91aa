"""Kaleido grids: the 55 cells of a box and their positions (Kaleido Patch Generator, paper section 3.1)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from kaleido.constants import LEVEL_SLICES, LEVELS

Grid = Literal["kaleido", "fixed"]
"""`kaleido`: five grids, from 1x1 to 5x5. `fixed`: one grid of 8 rows and 7 columns for all 55 patches, for comparison
(paper, table 4)."""

FIXED_ROWS, FIXED_COLUMNS = 8, 7
MIN_SIDES = {"kaleido": LEVELS[-1], "fixed": max(FIXED_ROWS, FIXED_COLUMNS)}
"""Minimum side of a box in pixels, so that every cell has a pixel."""


def places(grid: Grid = "kaleido") -> list[tuple[int, int, int, int]]:
    """Lists row and column of each of the 55 patches, and the numbers of rows and columns of its grid.

    The cells of `fixed` go from the middle of the box outwards to levels 1 to 5, row by row within a level, so that the
    questions of the first levels are about the product; the last of the 56, a corner, is left out.
    """
    if grid == "kaleido":
        return [(row, column, level, level) for level in LEVELS for row in range(level) for column in range(level)]
    across, down = FIXED_COLUMNS - 1, FIXED_ROWS - 1
    every = [(row, column) for row in range(FIXED_ROWS) for column in range(FIXED_COLUMNS)]
    # Distances between doubled coordinates are whole numbers.
    outwards = sorted(every, key=lambda cell: ((2 * cell[0] - down) ** 2 + (2 * cell[1] - across) ** 2, cell))
    return [(*cell, FIXED_ROWS, FIXED_COLUMNS) for level in LEVEL_SLICES for cell in sorted(outwards[level])]


def cells(box: Sequence[int] | np.ndarray, grid: Grid = "kaleido") -> np.ndarray:
    """Cuts a box into the cells of all levels.

    Cuts are at whole pixels, `x1 + (x2 - x1) * i // n`: the cells of a level tile the box exactly, and their sides
    differ by at most a pixel.

    Args:
        box: (x1, y1, x2, y2) in pixels, at least `MIN_SIDES` a side.
        grid: Grid that the box is cut by.

    Returns:
        int32 [55, 4], each [x1, y1, x2, y2]: level by level, row by row.
    """
    x1, y1, x2, y2 = (int(edge) for edge in box)
    width, height = x2 - x1, y2 - y1
    return np.array(
        [
            (
                x1 + width * column // columns,
                y1 + height * row // rows,
                x1 + width * (column + 1) // columns,
                y1 + height * (row + 1) // rows,
            )
            for row, column, rows, columns in places(grid)
        ],
        np.int32,
    )


def positions(cells: np.ndarray, width: int, height: int, raw: bool = False) -> np.ndarray:
    """Describes where each cell lies in its photo, for the model's position embedding.

    Args:
        cells: int32 [n, 4], each [x1, y1, x2, y2] in pixels.
        width: Width of the photo in pixels.
        height: Height of the photo in pixels.
        raw: Whether to keep pixels, as the original release does; the position projection then outweighs all others.

    Returns:
        float32 [n, 5], each [x1, x2, y1, y2, w*h]; in 0..1 unless `raw`.
    """
    x1, y1, x2, y2 = cells.astype(np.float64).T
    places = np.stack([x1, x2, y1, y2, (x2 - x1) * (y2 - y1)], axis=1)
    scale = 1 if raw else (width, width, height, height, width * height)
    return (places / scale).astype(np.float32)
