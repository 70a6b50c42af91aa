import hashlib
import itertools

import numpy as np
import pytest

from kaleido.catalog.wardrobe import draw_products
from kaleido.catalog.wardrobe.backdrops import BACKDROPS, TINTS, draw_backdrop
from kaleido.catalog.wardrobe.choices import Choices
from kaleido.catalog.wardrobe.palette import COLOURS, contrasting, distance
from kaleido.catalog.wardrobe.patterns import PATTERNS
from kaleido.catalog.wardrobe.taxonomy import TAXONOMY

SIZE = 128
CHECKSUM = "PIN"


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


def test_mask_is_the_silhouette(photos):
    """Away from its edge, what is off the mask is backdrop: pale, whereas a dark product is dark throughout."""
    checked = 0
    for product, photo, picture, mask in photos:
        if product.attributes["colour"] not in ("black", "navy") or product.attributes["pattern"] != "plain":
            continue
        if product.subcategory not in ("trousers", "coats", "t-shirts", "beanies", "bow ties", "leggings", "blazers"):
            continue
        pixels = np.array(picture).astype(int).sum(axis=2)
        on, off = mask > 0, mask == 0
        if photo.view == "front" and on.any() and off.any():
            assert np.median(pixels[on]) + 150 < np.median(pixels[off])
            checked += 1
    assert checked


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
    hidden = {"button", "lapel", "zip"}
    backs = [
        photo for product, photo, _, _ in photos if photo.view == "back" and product.category in ("tops", "outerwear")
    ]
    assert backs
    assert not any(part.name in hidden for photo in backs for part in photo.parts)


def test_taxonomy(drawn):
    kinds = [kind for kinds in TAXONOMY.values() for kind in kinds]
    assert len(TAXONOMY) >= 5 and len(kinds) >= 20 and len(set(kinds)) == len(kinds)
    assert all(item.product.subcategory in TAXONOMY[item.product.category] for item in drawn)
    assert {item.product.category for item in drawn} == set(TAXONOMY)


@pytest.mark.parametrize("kind", [(c, s) for c, kinds in TAXONOMY.items() for s in kinds])
def test_every_kind_can_be_drawn_and_described(kind, monkeypatch):
    category, subcategory = kind
    only = [(category, subcategory, TAXONOMY[category][subcategory])]
    monkeypatch.setattr("kaleido.catalog.wardrobe.generate._KINDS", only)
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
        assert "  " not in text and "{" not in text and ".." not in text and " a o" not in text


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
