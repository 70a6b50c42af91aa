"""One or several photos in a cell, and paths built from columns."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.catalog.photo_cells import SEPARATORS, PhotoCells, PhotoTemplate
from kaleido.catalog.rejects import RowError
from kaleido.catalog.row_reader import FieldRow
from kaleido.errors import UserError

FILES = ("a.jpg", "b.png", "in/c d.jpg", "skirt, red.jpg", "1;2.jpg", "x|y.jpg", "[old] e.jpg", "noext")


def read(cell, files=FILES, separators=SEPARATORS):
    cells = PhotoCells(("photos",), separators, None, files.__contains__)
    return cells.references(FieldRow(1, {"id": "1"}, [cell], {}, {}))


@given(
    names=st.lists(st.sampled_from(FILES), min_size=1, max_size=6),
    separator=st.sampled_from([",", ", ", "|", " | ", ";", "; ", "\n", "\r\n"]),
)
def test_files_between_separators(names, separator):
    assert read(separator.join(names)) == names


@given(names=st.lists(st.sampled_from(FILES), min_size=1, max_size=6), data=st.data())
def test_lists_in_text(names, data):
    keyed = [{data.draw(st.sampled_from(["url", "src", "path"])): name, "alt": "x", "n": 1} for name in names]
    for items in (names, keyed):
        for text in (json.dumps(items), str(items), str(tuple(items)), items):
            assert read(text) == names
    assert read(json.dumps(keyed[0])) == read(keyed[0]) == names[:1]


ADDRESSES = st.sampled_from(
    ["https://x.org/a.jpg", "http://x.org/w_1,h_2/b.jpg?v=1;w=2", "https://x.org/c%20d.png", "https://x.org/image/7"]
)


@given(
    addresses=st.lists(ADDRESSES, min_size=1, max_size=5),
    separator=st.sampled_from([",", ", ", "|", ";", "; ", "\n", " ", "  "]),
)
def test_addresses_between_separators(addresses, separator):
    assert read(separator.join(addresses)) == addresses


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a.jpg b.png", ["a.jpg", "b.png"]),
        ("in/c d.jpg a.jpg", ["in/c d.jpg", "a.jpg"]),
        ("gone 1.jpg", ["gone 1.jpg"]),
        ("a.jpg gone.jpg", ["a.jpg", "gone.jpg"]),
        ("a.jpg, skirt, blue.jpg, b.png", ["a.jpg", "skirt, blue.jpg", "b.png"]),
        ("a.jpg|", ["a.jpg"]),
        (" ; ", []),
        ("a.jpg|https://x.org/w_1,h_2/b.jpg", ["a.jpg", "https://x.org/w_1,h_2/b.jpg"]),
        ("[old] e.jpg", ["[old] e.jpg"]),
        ("['a.jpg' 'b.png'\n 'gone.jpg']", ["a.jpg", "b.png", "gone.jpg"]),
        ("{a.jpg,b.png}", ["a.jpg", "b.png"]),
        ('{"a.jpg",b.png}', ["a.jpg", "b.png"]),
        ("[a.jpg, skirt, red.jpg]", ["a.jpg", "skirt, red.jpg"]),
        ("(gone.jpg)", ["gone.jpg"]),
        ("data:image/png;base64,AAAA", ["data:image/png;base64,AAAA"]),
        ("[gone] e.jpg", ["[gone] e.jpg"]),
        (["a.jpg", None, " ", float("nan")], ["a.jpg"]),
        ("a.jpg,a.jpg", ["a.jpg", "a.jpg"]),
        ("[" * 10_000, ["[" * 10_000]),
    ],
)
def test_odd_cells(cell, expected):
    assert read(cell) == expected


def test_no_separators():
    assert read("a.jpg|b.png", separators="") == ["a.jpg|b.png"]


@pytest.mark.parametrize("cell", [7, True, [1], [["a.jpg"]], {"alt": "x"}, {"url": 1}, "[1]"])
def test_what_is_no_photo(cell):
    with pytest.raises(RowError, match="column 'photos' must hold a path or a list of paths"):
        read(cell)


@pytest.mark.parametrize("cell", ["|" * 200_000, "a.png," * 2000, "<a " * 50_000])
def test_a_cell_of_too_many_photos(cell):
    started = time.process_time()
    with pytest.raises(RowError, match="a cell of photos divides into more than 1,000 photos"):
        read(cell)
    assert time.process_time() - started < 1


def row(**values):
    return FieldRow(1, {"id": values.get("sku", ""), "title": "Red"}, [], {}, values)


def test_a_template_takes_columns_and_fields():
    template = PhotoTemplate("images/{sku:.3}/{id}-{no 1}.jpg", ["sku", "no 1"], ["id", "title"])
    assert template.path(row(**{"sku": "123456", "no 1": "7"})) == "images/123/123456-7.jpg"
    assert template.path(row(**{"sku": "123456", "no 1": ""})) == ""
    assert PhotoTemplate("{{{sku}}}.jpg", ["sku"], []).path(row(sku="1")) == "{1}.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images/1.jpg", "names no column"),
        ("{sku", "write for example"),
        ("{skv}.jpg", r"no column 'skv' \(the nearest is 'sku'\)"),
        ("{sku.__class__}.jpg", "no column"),
        ("{sku[0]}.jpg", "no column"),
        ("{sku!r}.jpg", r"a field is \{COLUMN\}"),
        ("{sku:>1000000000}.jpg", r"a field is \{COLUMN\}"),
        ("{sku:.{id}}.jpg", r"a field is \{COLUMN\}"),
    ],
)
def test_a_template_can_do_no_more(text, message):
    with pytest.raises(UserError, match=message):
        PhotoTemplate(text, ["sku"], ["id"])
