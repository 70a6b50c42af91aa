"""The picture and the cell mask of a product, as records keep them."""

import io

import numpy as np
import pytest
from PIL import Image

from kaleido.vision.product import GRID, SIDE, cell_mask, decode_product, encode_product, spread_mask


def smooth(width: int, height: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("box", [(3, 4, 43, 64), (0, 0, 300, 400), (10, 20, 250, 60), (7, 7, 12, 12)])
def test_a_picture_is_nearly_that_of_the_photo(box):
    photo = smooth(300, 400)
    exact = Image.fromarray(photo).crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    data = encode_product(photo, box)
    found = decode_product(data)
    assert found.shape == (SIDE, SIDE, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - np.asarray(exact)).mean() < 4
    with Image.open(io.BytesIO(data)) as stored:
        assert stored.size == (min(box[2] - box[0], SIDE), min(box[3] - box[1], SIDE))


def test_a_damaged_picture_is_refused():
    data = encode_product(smooth(40, 50), (0, 0, 40, 50))
    for damaged in (b"", b"x" * 99, data[: len(data) // 2]):
        with pytest.raises(OSError):
            decode_product(damaged)


def test_a_cell_mask_holds_the_shares_of_cells():
    mask = np.zeros((40, 50), bool)
    mask[6 : 6 + GRID, 5 : 5 + GRID // 2] = True
    box = (5, 6, 5 + GRID, 6 + GRID)
    cells = cell_mask(mask, box)
    assert cells.shape == (GRID, GRID) and cells.dtype == np.uint8
    np.testing.assert_array_equal(cells, np.tile(255 * (np.arange(GRID) < GRID // 2), (GRID, 1)))
    np.testing.assert_array_equal(spread_mask(cells, box, 40, 50), mask)


def test_a_spread_mask_follows_the_true_one():
    y, x = np.mgrid[:200, :160]
    mask = (x - 80) ** 2 / 60**2 + (y - 100) ** 2 / 90**2 < 1
    box = (20, 10, 141, 191)
    spread = spread_mask(cell_mask(mask, box), box, 200, 160)
    assert (spread & mask).sum() / (spread | mask).sum() > 0.95
