import hashlib
import json

import pytest

from kaleido import wardrobe
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.wardrobe import catalog as generate
from kaleido.wardrobe.catalog import generate_wardrobe

SMALL = {"products": 5, "seed": 3, "photo_size": 32, "workers": 1}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(generate, "PRODUCTS_AT_ONCE", 2)


def digests(directory):
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def drawn(monkeypatch):
    """Records the index of the first product of every chunk that is drawn."""
    firsts = []
    draw_products = wardrobe.draw_products

    def counting(count, seed, photo_size, first):
        firsts.append(first)
        return draw_products(count=count, seed=seed, photo_size=photo_size, first=first)

    monkeypatch.setattr(wardrobe, "draw_products", counting)
    return firsts


def test_same_bytes_whatever_the_number_of_workers(tmp_path):
    for workers in (1, 2):
        assert generate_wardrobe(tmp_path / str(workers) / "w", **SMALL | {"workers": workers})
    one = digests(tmp_path / "1")
    assert one == digests(tmp_path / "2")
    catalog = Catalog.open(tmp_path / "1" / "w")
    photos = [photo for product in catalog.products for photo in product.photos]
    assert len(catalog.products) == 5 and catalog.kind == "wardrobe"
    assert {f"w/{uri}" for photo in photos for uri in (photo.uri, photo.mask_uri)} == {
        name for name in one if name.endswith(".png")
    }
    assert all(catalog.read(photo.mask_uri).startswith(b"\x89PNG") for photo in photos)


def test_goes_on_where_it_was_interrupted(tmp_path, monkeypatch, drawn):
    generate_wardrobe(tmp_path / "whole" / "w", **SMALL)
    write = generate.write_atomically

    def interrupted(path, data, durable=True):
        if path.parent.name == "drawing" and path.name == "0000004.jsonl":
            raise KeyboardInterrupt
        write(path, data, durable)

    monkeypatch.setattr(generate, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate_wardrobe(tmp_path / "part" / "w", **SMALL)
    with pytest.raises(UserError, match="no finished catalogue"):
        Catalog.open(tmp_path / "part" / "w")
    with pytest.raises(UserError, match="unfinished wardrobe made with other arguments"):
        generate_wardrobe(tmp_path / "part" / "w", **SMALL | {"seed": 4})
    monkeypatch.setattr(generate, "write_atomically", write)
    drawn.clear()
    assert generate_wardrobe(tmp_path / "part" / "w", **SMALL)
    assert drawn == [4]
    assert digests(tmp_path / "part") == digests(tmp_path / "whole")


def test_finished_wardrobe_is_kept_or_replaced(tmp_path, drawn):
    out = tmp_path / "w"
    generate_wardrobe(out, **SMALL)
    drawn.clear()
    assert not generate_wardrobe(out, **SMALL)
    assert drawn == []
    with pytest.raises(UserError, match=r"made with other arguments; .*--overwrite"):
        generate_wardrobe(out, **SMALL | {"products": 2})
    assert generate_wardrobe(out, **SMALL | {"products": 2}, overwrite=True)
    catalog = Catalog.open(out)
    assert len(catalog.products) == 2
    assert len(list((out / "photos").iterdir())) == len(list((out / "masks").iterdir())) == catalog.photo_count


def test_other_catalogues_are_not_overwritten(tmp_path):
    header = {"format": 1, "name": "n", "kind": "folder", "sources": {}, "products": 1, "photos": 1, "importer": {}}
    (tmp_path / "catalog.json").write_text(json.dumps(header))
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match="a catalogue of kind 'folder'; choose another --out"):
        generate_wardrobe(tmp_path, **SMALL, overwrite=True)
    assert (tmp_path / "photos").exists()


def test_arguments_out_of_range(tmp_path):
    for name, value in (("products", 0), ("photo_size", 8), ("workers", 0)):
        with pytest.raises(UserError, match="must be at least"):
            generate_wardrobe(tmp_path, **SMALL | {name: value})
