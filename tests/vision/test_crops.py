"""The 74 crops: their layout, variants and resizing."""

import numpy as np

from kaleido.constants import LEVEL_SLICES
from kaleido.vision.crops import COLOUR, FEATURES, GREY, LEVEL2, LEVEL3, LEVEL5, LEVEL_ROWS, ROTATIONS, cut
from kaleido.vision.patches import cells

SIZES = (40, 20, 12, 10, 8)


def test_rows_cover_the_layout_in_order():
    named = (ROTATIONS, LEVEL2, LEVEL3, COLOUR, GREY, LEVEL5)
    assert [row for rows in named for row in range(rows.start, rows.stop)] == list(range(FEATURES))
    assert [row for rows in LEVEL_ROWS for row in range(rows.start, rows.stop)] == list(range(FEATURES))


def test_shapes_turns_and_grey():
    photo = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)
    crops = cut(photo, (3, 4, 47, 59), SIZES)
    assert [crop.shape for crop in crops] == [(n, s, s, 3) for n, s in zip((4, 4, 9, 32, 25), SIZES, strict=True)]
    assert all(crop.dtype == np.uint8 for crop in crops)
    for turns in range(4):
        np.testing.assert_array_equal(crops[0][turns], np.rot90(crops[0][0], turns, axes=(0, 1)))
    colour, grey = crops[3][:16].astype(float), crops[3][16:]
    assert (grey == grey[..., :1]).all()
    np.testing.assert_allclose(grey[..., 0], colour @ [0.299, 0.587, 0.114], atol=0.501)


def test_crop_of_its_cells_own_size_is_the_cell():
    photo = np.random.default_rng(1).integers(0, 256, (60, 60, 3), np.uint8)
    box = (0, 0, 60, 60)
    crops = cut(photo, box, (60, 30, 20, 15, 12))
    for level, rows in enumerate(LEVEL_SLICES):
        for crop, (x1, y1, x2, y2) in zip(crops[level], cells(box)[rows], strict=False):
            np.testing.assert_array_equal(crop, photo[y1:y2, x1:x2])


def test_no_pixel_of_a_neighbouring_cell_leaks_in():
    photo = np.zeros((50, 50, 3), np.uint8)
    photo[:25, :25] = 200
    level2 = cut(photo, (0, 0, 50, 50), (32, 64, 32, 32, 32))[1]
    assert (level2[0] == 200).all()
    assert (level2[1:] == 0).all()


def test_shrinking_is_antialiased():
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[:, ::2] = 255  # finer than the crop can show
    level1 = cut(photo, (0, 0, 100, 100), (10, 10, 10, 10, 10))[0][0].astype(int)
    assert np.abs(level1 - 128).max() < 10
