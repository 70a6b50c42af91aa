"""Composited scenes."""

import numpy as np
import pytest
from PIL import Image

from kaleido.tasks.saliency.scenes import Cutout, draw_scene
from kaleido.tasks.saliency.wearer import WORN, draw_wearer
from kaleido.wardrobe import draw_cutout

SIZE = 64


@pytest.fixture(scope="module")
def cutouts():
    return [Cutout(draw_cutout(7, index, SIZE)[1], ("", *WORN)[index % 4]) for index in range(8)]


def test_a_scene_is_a_function_of_its_seed(cutouts):
    first, again, other = (draw_scene(cutouts, 3, SIZE, (0, epoch, 3)) for epoch in (5, 5, 6))
    np.testing.assert_array_equal(first.photo, again.photo)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.photo != other.photo).any()
    assert (first.mask != other.mask).any()


def test_scenes_show_products_of_all_sizes_some_cut_off(cutouts):
    scenes = [draw_scene(cutouts, index % 8, SIZE, (1, 0, index)) for index in range(120)]
    assert all(scene.photo.shape == (SIZE, SIZE, 3) and scene.photo.dtype == np.uint8 for scene in scenes)
    masks = np.array([scene.mask for scene in scenes]) > 127
    shares = masks.mean(axis=(1, 2))
    assert shares.min() > 0
    assert np.quantile(shares, 0.1) < 0.15 < 0.4 < np.quantile(shares, 0.9)
    cut_off = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], axis=1).any(axis=1)
    assert 0.1 < cut_off.mean() < 0.7
    white = [np.median(scene.photo[scene.mask == 0], axis=0).min() > 235 for scene in scenes if shares.max() < 1]
    assert 0.1 < np.mean(white) < 0.6


@pytest.mark.parametrize("worn", WORN)
def test_a_figure_surrounds_its_garment(cutouts, worn):
    garment = Image.fromarray(cutouts[WORN.index(worn) + 1].pixels)
    figure = draw_wearer(garment, worn, np.random.default_rng(0))
    before, after = np.asarray(garment)[..., 3] > 127, np.asarray(figure)[..., 3] > 127
    offset = (figure.width - garment.width) // 2
    assert after[offset : offset + SIZE, offset : offset + SIZE][before].all()
    assert np.count_nonzero(after) > 1.1 * np.count_nonzero(before)


def test_a_cutout_is_whole_and_alone():
    category, pixels = draw_cutout(7, 0, SIZE)
    alpha = pixels[..., 3]
    assert category
    assert 0.05 < (alpha == 255).mean() < 0.9
    assert not np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]]).any()
