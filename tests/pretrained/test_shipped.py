"""The model that comes with the package."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

import kaleido
from kaleido.pretrained.hub import find_model

NAME = "fashion-tiny"


@pytest.fixture(scope="module")
def model():
    return kaleido.load(NAME)


def garment(colour, shape):
    """A plain garment on white, as a catalogue shows it: a T-shirt or trousers."""
    photo = Image.new("RGB", (180, 240), "white")
    draw = ImageDraw.Draw(photo)
    if shape == "tshirt":
        draw.polygon([(60, 40), (120, 40), (170, 80), (150, 110), (125, 95), (125, 210), (55, 210), (55, 95), (30, 110), (10, 80)], colour)  # fmt: skip  # noqa: E501
    else:
        draw.polygon([(60, 20), (120, 20), (135, 225), (100, 225), (90, 90), (80, 225), (45, 225)], colour)
    return photo


def test_it_is_listed_and_small():
    assert NAME in kaleido.list_models()
    files = [path for path in find_model(NAME).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert {path.name for path in files} == {"README.md", "config.json", "model.safetensors", "sentencepiece.model"}


def test_it_works_from_anywhere(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = [garment(colour, shape) for shape in ("tshirt", "trousers") for colour in ("red", "navy")]
    found, asked = model.encode_image(photos), model.encode_text(["red t-shirt", "navy blue trousers"])
    assert found.shape == (4, 256) and asked.shape == (2, 256)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_it_tells_colours_and_kinds_apart(model):
    """Drawn garments are unlike photos, so that not all answers have to be right; by chance one in five would be."""
    colours = ["red", "blue", "black", "green", "yellow"]
    photos = model.encode_image([garment(colour, "tshirt") for colour in colours], progress=False)
    scores = model.encode_text([f"{colour} t-shirt" for colour in colours], progress=False) @ photos.T
    scores -= scores.mean(axis=0)
    assert (scores.argmax(axis=1) == np.arange(5)).sum() >= 3
    trousers = model.encode_image([garment(colour, "trousers") for colour in colours], progress=False)
    kinds = model.encode_text(["t-shirt", "trousers"], progress=False)
    closer = [(kinds[number] - kinds[1 - number]) @ of.T for number, of in enumerate((photos, trousers))]
    assert (np.concatenate(closer) > 0).sum() >= 8
