"""The picture of the five grids."""

import numpy as np
import pytest

from kaleido.vision.kaleido_sheet import ACCENT, PAPER, kaleido_sheet, kaleido_sheets


@pytest.mark.parametrize("size", [(5, 5), (80, 60), (30, 300), (500, 400)])
def test_any_photo_gives_sheets_of_one_size_that_stack(size):
    photo = np.full((*size, 3), (20, 120, 60), np.uint8)
    mask = np.zeros(size, bool)
    mask[:5, :5] = True
    sheet = kaleido_sheet(photo, mask, (0, 0, 5, 5))
    whole = kaleido_sheet(photo, np.ones(size, bool), (0, 0, size[1], size[0]))
    assert sheet.size == whole.size
    pixels = np.asarray(whole)
    assert (pixels == ACCENT).all(axis=-1).any()
    assert tuple(pixels[0, 0]) == PAPER
    assert kaleido_sheets([sheet, whole]).size == (sheet.width, 2 * sheet.height)


def test_the_cells_show_all_of_the_box():
    photo = np.full((50, 50, 3), (20, 120, 60), np.uint8)
    pixels = np.asarray(kaleido_sheet(photo, np.ones((50, 50), bool), (0, 0, 50, 50)))
    level = pixels.shape[1] // 6
    areas = [(pixels[:, n * level : (n + 1) * level] == (20, 120, 60)).all(axis=-1).sum() for n in range(1, 6)]
    assert min(areas) == max(areas) == 220 * 220
