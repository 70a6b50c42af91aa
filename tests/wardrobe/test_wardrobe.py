import hashlib
import itertools
import re

import numpy as np
import pytest

from kaleido.wardrobe import draw_products
from kaleido.wardrobe.backdrops import BACKDROPS, TINTS, draw_backdrop
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.palette import COLOURS, contrasting, distance
from kaleido.wardrobe.patterns import PATTERNS
from kaleido.wardrobe.taxonomy import TAXONOMY

SIZE = 128
# If the drawing changes, increment DRAWING in kaleido/wardrobe/catalog.py too: existing wardrobes are then drawn anew.
CHECKSUM = "162ee5c59851f1f8f4dfbaac11d7b322f60491add14f018c8a6f64c99d93716b"


@pytest.fixture(scope="module")
def drawn():
    return list(draw_products(200, seed=4, photo_size=SIZE))


@pytest.fixture(scope="module")
def photos(drawn):
    return [
        (item.product, photo, item.photos[photo.uri], np.array(item.masks[photo.mask_uri]))
        for item in drawn
        for photo in item.product.photos
    ]


def digest(items):
    total = hashlib.sha256()
    for item in items:
        total.update(repr(item.product).encode())
        for uri, picture in itertools.chain(item.photos.items(), item.masks.items()):
            total.update(uri.encode() + picture.tobytes())
    return total.hexdigest()


def test_same_on_every_machine():
    assert digest(draw_products(12, seed=1)) == CHECKSUM


def test_product_depends_on_seed_and_index_alone(drawn):
    assert digest(draw_products(3, seed=4, photo_size=SIZE, first=70)) == digest(drawn[70:73])
    assert digest(draw_products(3, seed=5, photo_size=SIZE, first=70)) != digest(drawn[70:73])


def test_photos_are_keyed_by_what_the_product_says(drawn):
    identifiers = [photo.id for item in drawn for photo in item.product.photos]
    assert len(set(identifiers)) == len(identifiers)
    for item in drawn:
        assert list(item.photos) == [f"photos/{photo.id}.png" for photo in item.product.photos]
        assert list(item.masks) == [f"masks/{photo.id}.png" for photo in item.product.photos]
        assert list(item.photos) == [photo.uri for photo in item.product.photos]
        assert all(p.size == (SIZE, SIZE) and p.mode == "RGB" for p in item.photos.values())
        assert all(m.size == (SIZE, SIZE) and m.mode == "L" for m in item.masks.values())


def test_views(drawn):
    assert {len(item.product.photos) for item in drawn} == {1, 2, 3, 4}
    assert all(item.product.photos[0].view == "front" for item in drawn)
    assert {photo.view for item in drawn for photo in item.product.photos} == {"front", "back", "zoom"}


def test_mask_and_box_agree(photos):
    for _, photo, _, mask in photos:
        assert set(np.unique(mask)) <= {0, 255}
        rows, columns = np.nonzero(mask)
        assert photo.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_mask_is_the_silhouette(monkeypatch):
    magenta = np.array((255, 0, 255), np.float32)
    backdrop = np.broadcast_to(magenta, (192, 192, 3))
    monkeypatch.setattr("kaleido.wardrobe.generate.draw_backdrop", lambda *_: ("plain", backdrop.copy()))
    monkeypatch.setattr("kaleido.wardrobe.generate._SHADOW", 0)
    for item in draw_products(40, seed=6):
        for picture, mask in zip(item.photos.values(), item.masks.values()):
            product = (np.array(picture) != magenta).any(axis=2)
            on = np.array(mask) > 0
            assert not (on & ~product).any()
            around = np.pad(on, 1)
            around = np.logical_or.reduce([around[i : i + 192, j : j + 192] for i in range(3) for j in range(3)])
            assert not (product & ~around)[1:-1, 1:-1].any(), item.product.subcategory


def test_whole_product_nearly_fills_its_photo(photos):
    for _, photo, _, _ in photos:
        x1, y1, x2, y2 = photo.box
        if photo.view == "front":
            assert 0.75 * SIZE < max(x2 - x1, y2 - y1) < SIZE, photo.id
            assert x1 > 0 and y1 > 0 and x2 < SIZE and y2 < SIZE, photo.id


def test_parts_lie_on_the_product_and_are_named_in_its_text(photos):
    for product, photo, _, mask in photos:
        for part in photo.parts:
            x1, y1, x2, y2 = map(int, part.box)
            assert photo.box[0] <= x1 < x2 <= photo.box[2] and photo.box[1] <= y1 < y2 <= photo.box[3], photo.id
            assert mask[y1:y2, x1:x2].any(), (photo.id, part)
            assert part.words
            assert all(word in product.text.lower() for word in part.words), (product.text, part)


def test_every_front_shows_a_described_part(drawn):
    share = np.mean([bool(item.product.photos[0].parts) for item in drawn])
    assert share > 0.95


def test_back_hides_what_is_in_front(photos):
    hidden = {"button", "lapel", "zip", "bow"}
    backs = [
        photo for product, photo, _, _ in photos if photo.view == "back" and product.category in ("tops", "outerwear")
    ]
    assert backs
    assert not any(part.name in hidden or "v-neck" in part.words for photo in backs for part in photo.parts)


def test_taxonomy(drawn):
    kinds = [kind for kinds in TAXONOMY.values() for kind in kinds]
    assert len(TAXONOMY) >= 5 and len(kinds) >= 20 and len(set(kinds)) == len(kinds)
    assert all(item.product.subcategory in TAXONOMY[item.product.category] for item in drawn)
    assert {item.product.category for item in drawn} == set(TAXONOMY)


@pytest.mark.parametrize("kind", [(c, s) for c, kinds in TAXONOMY.items() for s in kinds])
def test_every_kind_can_be_drawn_and_described(kind, monkeypatch):
    category, subcategory = kind
    only = [(category, subcategory, TAXONOMY[category][subcategory])]
    monkeypatch.setattr("kaleido.wardrobe.generate._KINDS", only)
    for item in draw_products(6, seed=2, photo_size=48):
        assert item.product.subcategory == subcategory
        assert 8 <= len(item.product.text.split()) <= 40, item.product.text


def test_texts_are_varied_and_tell_colour_and_pattern(drawn):
    texts = [item.product.text for item in drawn]
    assert len(set(texts)) == len(texts)
    assert len({item.product.title for item in drawn}) > 0.8 * len(drawn)
    for item in drawn:
        text, attributes = item.product.text.lower(), item.product.attributes
        assert attributes["colour"] in text
        words = PATTERNS[attributes["pattern"]].adjectives
        assert attributes["pattern"] == "plain" or any(word in text for word in words), text
        assert "  " not in text and "{" not in text and ".." not in text
        assert not re.search(r"\ba [aeiou]", text), text


def test_every_colour_stands_out():
    for name, colour in COLOURS.items():
        assert contrasting(name)
        assert sum(distance(tint, colour) > 70 for tint in TINTS) >= 3


def test_all_backdrops_occur():
    names = {draw_backdrop(Choices(0, i), 16, COLOURS["navy"])[0] for i in range(40)}
    assert names == set(BACKDROPS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_shares(pattern):
    y, x = np.mgrid[0:100:0.5, -50:50:0.5].astype(np.float32)
    share = PATTERNS[pattern].field(x, y, 0.5)
    assert share.min() == 0
    assert share.max() == (0 if pattern == "plain" else 1)
    assert (share.mean() == 0) == (pattern == "plain")
