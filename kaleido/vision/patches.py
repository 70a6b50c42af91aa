"""The kaleido grids: box -> 55 cells and their positions (Kaleido Patch Generator; paper, section 1.1)."""

import numpy as np

LEVELS = (1, 2, 3, 4, 5)
"""Level n cuts the box into n x n cells."""

PATCH_COUNTS = tuple(level * level for level in LEVELS)
PATCHES = sum(PATCH_COUNTS)

LEVEL_SLICES = tuple(
    slice(sum(PATCH_COUNTS[:index]), sum(PATCH_COUNTS[: index + 1])) for index in range(len(PATCH_COUNTS))
)
"""Where each level's cells lie among the 55: `cells[LEVEL_SLICES[n - 1]]` are those of level n."""


def cells(box: tuple[int, int, int, int]) -> np.ndarray:
    """Cuts a box into the cells of all levels.

    Cuts are at whole pixels, `x1 + (x2 - x1) * i // n`: the cells of a level tile the box exactly, and their sides
    differ by at most a pixel.

    Args:
        box: (x1, y1, x2, y2) in pixels, at least 5 a side.

    Returns:
        int32 [55, 4], each [x1, y1, x2, y2]: level by level, row by row.
    """
    x1, y1, x2, y2 = (int(edge) for edge in box)
    grid = []
    for level in LEVELS:
        xs = [x1 + (x2 - x1) * i // level for i in range(level + 1)]
        ys = [y1 + (y2 - y1) * i // level for i in range(level + 1)]
        grid += [(xs[i], ys[j], xs[i + 1], ys[j + 1]) for j in range(level) for i in range(level)]
    return np.array(grid, np.int32)


def positions(cells: np.ndarray, width: int, height: int, raw: bool = False) -> np.ndarray:
    """Describes where each cell lies in its photo, for the model's position embedding.

    Args:
        cells: int32 [n, 4], each [x1, y1, x2, y2] in pixels.
        width: Of the photo, in pixels.
        height: Of the photo, in pixels.
        raw: Leave pixels as they are, as the original release does; its position projection then outweighs all others.

    Returns:
        float32 [n, 5], each [x1, x2, y1, y2, w*h]; in 0..1 unless `raw`.
    """
    x1, y1, x2, y2 = cells.astype(np.float64).T
    places = np.stack([x1, x2, y1, y2, (x2 - x1) * (y2 - y1)], axis=1)
    scale = 1 if raw else (width, width, height, height, width * height)
    return (places / scale).astype(np.float32)
