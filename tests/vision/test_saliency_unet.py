"""The trained saliency net: its geometry, its weights, and what it finds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from kaleido.checksums import file_sha256, seal
from kaleido.errors import UserError
from kaleido.network_folder import CONFIG_FILE, WEIGHTS_FILE, read_network_config
from kaleido.tasks.saliency.agreement import box_iou, mask_iou
from kaleido.vision.saliency import box_of, create_saliency
from kaleido.vision.saliency.unet import SIDE, build_unet
from kaleido.vision.saliency.unet_marker import UnetMarker
from kaleido.vision.saliency.weights import SHIPPED, load_network, save_network
from kaleido.wardrobe import draw_products

ROOT = Path(__file__).parents[2]


class Brightness(UnetMarker):
    """In the network's place: the brighter a pixel, the more it belongs to the product."""

    def scores(self, squeezed):
        return (squeezed[..., 0].astype(np.float32) - 127.5) / 20


@pytest.fixture(scope="module")
def bright():
    return Brightness()


@pytest.fixture(scope="module")
def unet():
    return create_saliency("unet")


@settings(max_examples=60)
@given(st.data())
def test_boxes_come_back_to_the_photos_pixels(bright, data):
    height, width = data.draw(st.integers(5, 400)), data.draw(st.integers(5, 400))
    edges = []
    for side in (width, height):
        least = max(3, side // 5)
        start = data.draw(st.integers(0, side - least))
        edges.append((start, data.draw(st.integers(start + least, side))))
    (x1, x2), (y1, y2) = edges
    photo = np.zeros((height, width, 3), np.uint8)
    photo[y1:y2, x1:x2] = 255
    found = box_of(bright.mask(photo), min_side=1)
    allowed = [1 + width / SIDE, 1 + height / SIDE] * 2
    assert (np.abs(np.subtract(found, (x1, y1, x2, y2))) <= allowed).all()


def test_specks_are_dropped_and_the_second_shoe_is_kept(bright):
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[10:40, 10:80] = photo[60:80, 10:70] = 255
    photo[90:94, 92:96] = 255
    assert np.subtract(box_of(bright.mask(photo)), (10, 10, 80, 80)).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (5, 5)])
@pytest.mark.parametrize("value", [0, 255])
def test_photos_of_any_shape_have_a_mask(unet, shape, value):
    mask = unet.mask(np.full((*shape, 3), value, np.uint8))
    assert mask.shape == shape
    assert mask.dtype == bool
    assert mask.any()


def test_photos_of_different_shapes_together(bright):
    photos = [np.random.default_rng(n).integers(0, 256, (20 + n, 30 - n, 3), np.uint8) for n in range(3)]
    for photo, mask in zip(photos, bright.masks(photos), strict=True):
        np.testing.assert_array_equal(mask, bright.mask(photo))


def test_nothing_found_is_the_whole_photo(bright):
    assert bright.mask(np.zeros((20, 30, 3), np.uint8)).all()


def test_wardrobe_photos_are_found(unet):
    masks, boxes = [], []
    for drawn in draw_products(12, seed=987, photo_size=160):
        photo, mask = next(iter(drawn.photos.values())), next(iter(drawn.masks.values()))
        true, found = np.asarray(mask) > 127, unet.mask(np.asarray(photo))
        masks.append(mask_iou(found, true))
        boxes.append(box_iou(box_of(found), box_of(true)))
    assert np.mean(masks) > 0.85
    assert np.mean(boxes) > 0.85


def test_shipped_weights_are_small():
    assert build_unet("zeros").count_params() <= 1_000_000
    assert (SHIPPED / WEIGHTS_FILE).stat().st_size <= 2_500_000


def test_weights_survive_a_round_trip_as_halves(tmp_path):
    before = build_unet()
    save_network(before, tmp_path / "model")
    for one, other in zip(before.weights, load_network(tmp_path / "model").weights):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-3, atol=1e-7)


def rewrite(folder, change):
    """Stores changed arrays with a checksum that fits them."""
    arrays = load_file(folder / WEIGHTS_FILE)
    change(arrays)
    save_file(arrays, folder / WEIGHTS_FILE)
    content = read_network_config(folder) | {"sha256": {WEIGHTS_FILE: file_sha256(folder / WEIGHTS_FILE)}}
    (folder / CONFIG_FILE).write_bytes(seal(content))


def cut_off(folder):
    path = folder / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-100])


def not_finite(folder):
    rewrite(folder, lambda arrays: next(iter(arrays.values())).fill(np.nan))


def other_arrays(folder):
    rewrite(folder, lambda arrays: arrays.update(kernel=arrays.popitem()[1]))


def other_class(folder):
    content = read_network_config(folder) | {"class": "KaleidoBert"}
    (folder / CONFIG_FILE).write_bytes(seal(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "no saved model here"),
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b""), "damaged"),
        (lambda folder: (folder / CONFIG_FILE).write_bytes(b"\xff" * 64), "damaged"),
        (cut_off, "damaged"),
        (other_arrays, "belongs to another network"),
        (other_class, "not a saliency network"),
        (not_finite, "not finite"),
    ],
)
def test_damaged_weights_are_refused_by_name(tmp_path, damage, message):
    path = tmp_path / "network"
    shutil.copytree(SHIPPED, path)
    damage(path)
    with pytest.raises(UserError, match=message) as caught:
        create_saliency("unet", str(path))
    assert str(path) in str(caught.value)


def test_only_the_net_has_weights():
    with pytest.raises(UserError, match="border has no weights"):
        create_saliency("border", "network")


ON_OTHER_BACKEND = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from kaleido.vision.saliency import create_saliency

photos = np.load(sys.argv[1])
saliency = create_saliency("unet")
np.save(sys.argv[2], saliency.scores(photos))
with ThreadPoolExecutor(4) as threads:
    masks = list(threads.map(saliency.mask, [photos[0]] * 12))
assert all((mask == masks[0]).all() for mask in masks)
"""


@pytest.mark.slow
def test_backends_agree_and_threads_may_share_them(unet, tmp_path):
    photos = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    photos[:, 30:90, 40:100] //= 3
    np.save(tmp_path / "photos.npy", photos)
    backend = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    subprocess.run(
        [sys.executable, "-c", ON_OTHER_BACKEND, tmp_path / "photos.npy", tmp_path / "logits.npy"],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        check=True,
    )
    here, there = unet.scores(photos), np.load(tmp_path / "logits.npy")
    np.testing.assert_allclose(here, there, atol=2e-3)
