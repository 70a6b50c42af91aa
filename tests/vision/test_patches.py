"""The kaleido grids tile any box, and positions say where."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kaleido.constants import LEVEL_SLICES, LEVELS, PATCH_COUNTS, PATCHES
from kaleido.vision.patches import cells, positions


@st.composite
def photos_and_boxes(draw):
    width, height = draw(st.integers(5, 300)), draw(st.integers(5, 300))
    x1, y1 = draw(st.integers(0, width - 5)), draw(st.integers(0, height - 5))
    return width, height, (x1, y1, draw(st.integers(x1 + 5, width)), draw(st.integers(y1 + 5, height)))


def test_layout():
    assert PATCH_COUNTS == (1, 4, 9, 16, 25)
    assert PATCHES == 55
    assert [(rows.start, rows.stop) for rows in LEVEL_SLICES] == [(0, 1), (1, 5), (5, 14), (14, 30), (30, 55)]


def test_cells_are_row_by_row():
    grid = cells((10, 20, 21, 30))
    assert grid.dtype == np.int32
    assert grid[0].tolist() == [10, 20, 21, 30]
    assert grid[1:5].tolist() == [[10, 20, 15, 25], [15, 20, 21, 25], [10, 25, 15, 30], [15, 25, 21, 30]]


@given(photos_and_boxes())
def test_cells_of_a_level_tile_the_box(photo):
    width, height, (x1, y1, x2, y2) = photo
    grid = cells((x1, y1, x2, y2))
    for level, rows in zip(LEVELS, LEVEL_SLICES, strict=True):
        painted = np.zeros((height, width), int)
        for left, top, right, bottom in grid[rows]:
            assert left < right
            assert top < bottom
            painted[top:bottom, left:right] += 1
        assert (painted[y1:y2, x1:x2] == 1).all()
        assert painted.sum() == (x2 - x1) * (y2 - y1)
        for sides in (grid[rows, 2] - grid[rows, 0], grid[rows, 3] - grid[rows, 1]):
            assert sides.max() - sides.min() <= 1
        assert len(grid[rows]) == level * level


@given(photos_and_boxes())
def test_positions_are_parts_of_the_photo(photo):
    width, height, box = photo
    grid = cells(box)
    places = positions(grid, width, height)
    assert places.dtype == np.float32
    assert places.shape == (55, 5)
    assert places.min() >= 0
    assert places.max() <= 1
    x1, x2, y1, y2, area = places.T
    np.testing.assert_allclose(area, (x2 - x1) * (y2 - y1), rtol=1e-4, atol=1e-6)
    for rows in LEVEL_SLICES:
        np.testing.assert_allclose(area[rows].sum(), area[0], rtol=1e-5)
    raw = positions(grid, width, height, raw=True)
    np.testing.assert_array_equal(raw[:, :4], grid[:, [0, 2, 1, 3]])
    assert raw[0, 4] == (box[2] - box[0]) * (box[3] - box[1])
