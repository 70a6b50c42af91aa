"""Products that are read one at a time, and the memory that catalogues and imports take."""

import json
import pickle
import tempfile
import tracemalloc
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.catalog import files, product_json, row_products
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.files import check_products, write_catalog
from kaleido.catalog.merging import RowProduct, RowProducts
from kaleido.catalog.product import Part, Photo, Product
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


@settings(max_examples=40, deadline=None)
@given(products(), st.tuples(*[st.floats(0, 1e6)] * 4), st.permutations(range(8)))
def test_a_line_is_what_json_writes_and_lines_are_read_in_any_order(made, box, order):
    def filled(instance):
        return {one.name: value for one in fields(instance) if (value := getattr(instance, one.name))}

    parts = Photo("p", "photos/p", "front", "photos/mask", box, (Part("collar", ("v-neck", "é"), box),))
    made.append(Product("with parts", "x", (parts,)))
    assert [product_json.encode(one) for one in made] == [
        json.dumps(filled(one), default=filled, ensure_ascii=False) for one in made
    ]
    held = HeldProducts(made)
    order = [place for place in order if place < len(made)]
    held.take(order)
    assert list(held) == [held[place] for place in range(len(order))] == [made[place] for place in order]
    assert list(held.labels()) == [(made[place].category, made[place].subcategory) for place in order]


def test_a_full_disk_of_temporary_files_is_told(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "w+b"))  # noqa: SIM115
    held = HeldProducts([Product("a", "x", (Photo("a-1", "photos/a"),))])
    with pytest.raises(UserError, match=r"temporary file .* cannot be written: No space left.*TMPDIR"):
        list(held)


def test_products_of_several_rows_need_not_stay_in_memory(monkeypatch):
    def merged(most_open: int) -> RowProducts:
        monkeypatch.setattr(row_products, "_MOST_OPEN", most_open)
        rows = RowProducts()
        for n in range(6):
            fields = {"id": f"P{n}", "title": "x" * (n % 3), "description": "", "category": ""}
            rows.add(RowProduct(n, fields, {}, {f"photos/{n}.jpg": n} if n % 2 else {}, [] if n % 2 else [n]))
        for n in range(6, 24):
            product = rows.open(n % 5)
            if n % 4:
                product.add_photo(f"photos/{n}.jpg", n)
            else:
                product.without.append(n)
        return rows

    apart, together = merged(1), merged(99)
    assert len(apart._open) == 1 and list(apart) == list(together)
    for rows in (apart, together):
        rows.keep(lambda one: one.number != 1 and one.has_text)
    assert list(apart) == list(together) and [one.number for one in apart] == [2, 4, 5]
    assert apart.finished() == together.finished()


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
    for products in (catalog.products, HeldProducts(catalog.products), HeldProducts()):
        assert pickle.loads(pickle.dumps(products)) == list(products)


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
