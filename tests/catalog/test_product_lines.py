"""Products that are read one at a time, and the memory that catalogues and imports take."""

import json
import pickle
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.catalog import files
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.files import check_products, write_catalog
from kaleido.catalog.merging import RowProduct, RowProducts
from kaleido.catalog.product import Photo, Product
from kaleido.catalog.product_lines import HeldProducts, ProductFile
from kaleido.catalog.sources import FolderSource
from kaleido.catalog.tally import Tally
from kaleido.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@st.composite
def products(draw):
    return [
        Product(
            id,
            draw(TEXT),
            tuple(Photo(f"{id}-{n}", f"photos/{n}.jpg") for n in range(draw(st.integers(1, 3)))),
            f"text {number}",
            category=draw(TEXT),
            attributes=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
        )
        for number, id in enumerate(draw(st.lists(TEXT.filter(bool), unique=True, min_size=1, max_size=8)))
    ]


@settings(max_examples=40, deadline=None)
@given(products())
def test_lines_in_memory_and_in_a_file_are_the_products(tmp_path_factory, made):
    held = HeldProducts(made)
    path = tmp_path_factory.mktemp("lines") / "products.jsonl"
    path.write_bytes(b"".join(held.line(place) + b"\n" for place in range(len(held))))
    for lines in (held, ProductFile(path)):
        assert list(lines) == made and lines[-1] == made[-1] and lines[1:] == tuple(made[1:])
        with pytest.raises(IndexError):
            lines[len(made)]
        lines.sort()
        assert lines == sorted(made, key=lambda product: product.id)


def shop(tmp_path: Path, count: int) -> Path:
    folder = tmp_path / "catalog"
    made = (
        Product(f"P{n:06}", f"red dress {n}", (Photo(f"P{n:06}-1", "photos/a.jpg"),), "long, of wool")
        for n in range(count)
    )
    write_catalog(folder, "shop", "folder", {"photos": FolderSource(tmp_path)}, made, {})
    return folder


def test_a_file_that_is_not_sorted_is_opened_sorted(tmp_path):
    folder = shop(tmp_path, 20)
    lines = (folder / "products.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "products.jsonl").write_bytes(b"".join(reversed(lines)))
    assert [product.id for product in Catalog.open(folder).products] == [f"P{n:06}" for n in range(20)]


def test_a_catalogue_that_is_replaced_keeps_its_products(tmp_path):
    before = Catalog.open(shop(tmp_path, 20))
    shop(tmp_path, 3)
    assert len(list(before.products)) == 20 and before.products[19].id == "P000019"


def test_a_catalogue_can_be_given_to_another_process(tmp_path):
    catalog = Catalog.open(shop(tmp_path, 20))
    assert pickle.loads(pickle.dumps(catalog)).products == list(catalog.products)


def test_a_damaged_line_is_named_with_its_row(tmp_path):
    folder = shop(tmp_path, 3)
    lines = (folder / "products.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "products.jsonl").write_bytes(lines[0] + lines[1] + b'{"id": 3}\n')
    with pytest.raises(UserError, match=r"products.jsonl, row 3: .*import again with --overwrite"):
        Catalog.open(folder)


def test_equal_hashes_are_no_equal_ids(monkeypatch):
    monkeypatch.setattr(files, "hash", lambda _: 7, raising=False)
    made = [Product(name, "x", (Photo(f"{name}-1", "photos/a"),)) for name in "abc"]
    assert check_products(made)
    assert not check_products(made[::-1])
    with pytest.raises(UserError, match="'b' needs an id of its own"):
        check_products([*made, made[1]])


def kept_bytes(make) -> tuple[int, object]:
    """Measures the memory that the result of a function takes."""
    tracemalloc.start()
    try:
        made = make()
        return tracemalloc.get_traced_memory()[0], made
    finally:
        tracemalloc.stop()


def test_an_open_catalogue_keeps_little_of_a_product(tmp_path):
    folder, tally = shop(tmp_path, 3000), Tally()
    size, catalog = kept_bytes(lambda: Catalog.open(folder, tally.add))
    assert size / 3000 < 60  # a Product with its photo takes some 700
    assert tally.photos.total == len(catalog) == 3000 and tally.words.least == tally.words.most == 6


def test_a_row_of_an_import_takes_little_more_than_its_text():
    def merge():
        rows = RowProducts()
        for n in range(3000):
            fields = {"id": f"P{n:06}", "title": f"red dress {n}", "description": "long, of wool " * 5, "category": "x"}
            rows.add(RowProduct(n, fields, {"Brand": "b", "Price": str(n)}, {"photos/a.jpg": n}, []))
        return rows

    size, rows = kept_bytes(merge)
    assert size / 3000 < 300
    assert rows[5].fields["title"] == "red dress 5" and rows[5].photos == {"photos/a.jpg": 5}
    rows.open(5).photos["photos/b.jpg"] = 9
    assert [len(row.photos) for row in rows.drain()][4:7] == [1, 2, 1] and not len(rows)


def test_a_product_without_a_title_comes_back(tmp_path):
    made = [Product("a", "", (Photo("a-1", "photos/a.jpg"),), "a text")]
    write_catalog(tmp_path / "c", "n", "folder", {"photos": FolderSource(tmp_path)}, made, {})
    assert "title" not in json.loads((tmp_path / "c" / "products.jsonl").read_text())
    assert Catalog.open(tmp_path / "c").products == made
