"""Masks and boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.errors import UserError
from kaleido.vision.saliency import BorderSaliency, box_of, create_saliency


def test_none_takes_the_whole_photo():
    assert create_saliency("none").mask(np.zeros((7, 9, 3), np.uint8)).all()


@pytest.mark.parametrize("background", [255, 244, 128, 0])
def test_border_finds_the_product_and_drops_specks(background):
    random = np.random.default_rng(0)
    photo = np.clip(background + random.integers(-3, 4, (80, 60, 3)), 0, 255).astype(np.uint8)
    product = np.zeros((80, 60), bool)
    product[20:70, 10:45] = True
    photo[product] = (40, 90, 170)
    photo[4:6, 50:52] = (40, 90, 170)  # a speck
    mask = BorderSaliency().mask(photo)
    np.testing.assert_array_equal(mask, product)
    assert box_of(mask) == (10, 20, 45, 70)


def test_product_that_runs_out_of_the_photo():
    photo = np.full((80, 60, 3), 255, np.uint8)
    photo[30:, 20:40] = 90
    assert box_of(BorderSaliency().mask(photo)) == (20, 30, 40, 80)


@pytest.mark.parametrize("photo", [np.full((20, 10, 3), 255, np.uint8), np.zeros((5, 5, 3), np.uint8)])
def test_nothing_found_is_the_whole_photo(photo):
    assert BorderSaliency().mask(photo).all()


def test_gradient_background_is_not_taken_for_the_product():
    photo = np.repeat(np.linspace(200, 250, 80).astype(np.uint8)[:, None, None], 60, axis=1).repeat(3, axis=2)
    photo[20:60, 20:40] = (10, 10, 60)
    assert box_of(BorderSaliency().mask(photo)) == (20, 20, 40, 60)


def test_unknown_name():
    with pytest.raises(UserError, match=r"unet, border, none\. Received: boarder"):
        create_saliency("boarder")


@given(st.data())
def test_box_is_tight_or_of_least_size_and_inside(data):
    height, width = data.draw(st.integers(5, 40)), data.draw(st.integers(5, 40))
    y1, x1 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y2, x2 = data.draw(st.integers(y1 + 1, height)), data.draw(st.integers(x1 + 1, width))
    mask = np.zeros((height, width), bool)
    mask[y1:y2, x1:x2] = True
    bx1, by1, bx2, by2 = box_of(mask)
    assert 0 <= bx1 <= x1 < x2 <= bx2 <= width
    assert 0 <= by1 <= y1 < y2 <= by2 <= height
    assert bx2 - bx1 == max(5, x2 - x1)
    assert by2 - by1 == max(5, y2 - y1)


def test_empty_mask_is_a_bug():
    with pytest.raises(ValueError, match="empty"):
        box_of(np.zeros((9, 9), bool))
