"""Tables: each bad row is named, or left out and listed; none is lost."""

import json
import time

import pytest

GOOD = "a,Red dress,a.png"

BAD_FILES = {
    "empty": (b"", "is empty"),
    "only a mark": (b"\xef\xbb\xbf\n\n", "is empty"),
    "only a heading": (b"id,title,photos\n", "no product"),
    "no id": (b"number,title,photos\n1,x,a.png\n", "no column 'id'"),
    "no title": (b"id,label,photos\n1,x,a.png\n", "no column 'title'"),
    "column twice": (b"id,title,title\n1,x,y\n", "'title' occurs twice"),
    "open quote in the heading": (b'"id,title\n1,x\n', "is not CSV"),
}


@pytest.mark.parametrize(("table", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_table(table, reason, folder, refused, tmp_path):
    for mode in ("stop", "skip"):
        line = refused("catalog", "import", "folder", folder(table), "--out", tmp_path / "out", "--on-error", mode)
        assert reason in line
        assert not (tmp_path / "out" / "catalog.json").exists()


BAD_ROWS = {
    "id empty": (",Blue,a.png", "the id is empty"),
    "id twice, another title": ("a,Blue,b.png", "another title"),
    "text empty": ("b,,a.png", "neither a title nor a description"),
    "photo missing": ("b,Blue,nowhere.png", "'nowhere.png' does not exist"),
    "photo empty": ("b,Blue,empty.png", "empty file"),
    "photo is a folder": ("b,Blue,images", "is not a file"),
    "no photo": ("b,Blue,", "no photo"),
    "path climbs out": ("b,Blue,../../etc/passwd", "leads out"),
    "absolute path": ("b,Blue,/etc/passwd", "leads out"),
    "path too long": ("b,Blue," + "x" * 5000, "does not exist"),
    "fields missing": ("b,Blue", "has 2 fields where the heading has 3"),
    "fields too many": ("b,Blue,a.png,more", "has 4 fields"),
    "text after a quote": ('b,"Blue"x,a.png', "is not CSV"),
    "quote never closed": ('b,"Blue,a.png', "is not CSV"),
    "field too long": ("b," + "x" * 10_100_000 + ",a.png", "field limit"),
    "not UTF-8": ("b,Déjà".encode() + b" bl\xfcue,a.png", "column 'title' is not UTF-8"),
    "zero byte": (b"b,Bl\0ue,a.png", "column 'title' has a zero byte"),
    "zero byte in the path": (b"b,Blue,a\0.png", "column 'photos' has a zero byte"),
}


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_of_a_csv(row, reason, folder, import_source, tmp_path):
    row = row if isinstance(row, bytes) else row.encode()
    source = folder(f"id,title,photos\n{GOOD}\n".encode() + row + b"\n", photos={"b.png": b"b", "empty.png": b""})
    line, rejects = import_source(source)
    assert "products.csv, row 3: " in line and reason in line and "--on-error skip" in line
    assert [reject["row"] for reject in rejects] == [3]
    assert reason in rejects[0]["reason"]


def products(tmp_path):
    lines = (tmp_path / "out" / "products.jsonl").read_text(encoding="utf-8").splitlines()
    return {product["id"]: product.get("title", product.get("description")) for product in map(json.loads, lines)}


GOOD_TABLES = {
    "byte-order mark": (b"\xef\xbb\xbfid,title,photos\na,Red,a.png\n", {"a": "Red"}),
    "quotes and line breaks": (
        b'id,title,photos\n"a","Red ""silk""\r\nof, Rome",a.png\n',
        {"a": 'Red "silk"\r\nof, Rome'},
    ),
    "mixed line ends": (
        b"id,title,photos\ra,Red,a.png\r\nb,Blue,a.png\nc,Tan,a.png",
        {"a": "Red", "b": "Blue", "c": "Tan"},
    ),
    "blank lines": (b"\nid,title,photos\n\n,,\na,Red,a.png\n\n", {"a": "Red"}),
    "other columns": (b"id,,title,photos,id2\na,x,Red,a.png,\n", {"a": "Red"}),
}


@pytest.mark.parametrize(("table", "expected"), GOOD_TABLES.values(), ids=GOOD_TABLES)
def test_what_looks_odd_and_is_right(table, expected, folder, run, tmp_path):
    assert run("catalog", "import", "folder", folder(table), "--out", tmp_path / "out")[0] == 0
    assert products(tmp_path) == expected


BAD_LINES = {
    "not JSON": (b'{"id": "b", "title": ', "is not JSON"),
    "a list": (b'["b", "Blue", "a.png"]', "is not a JSON object"),
    "key twice": (b'{"id": "b", "id": "c", "title": "Blue", "photos": "a.png"}', "a key occurs twice"),
    "nested text": (b'{"id": "b", "title": {"en": "Blue"}, "photos": "a.png"}', "'title' must hold text"),
    "nested photos": (b'{"id": "b", "title": "Blue", "photos": [["a.png"]]}', "a path or a list of paths"),
    "null id": (b'{"id": null, "title": "Blue", "photos": "a.png"}', "the id is empty"),
    "deep nesting": (b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is not JSON"),
    "half a character": (b'{"id": "b", "title": "\\ud800", "photos": "a.png"}', "is not UTF-8"),
    "not UTF-8": ('{"id": "b", "title": "Déjà'.encode() + b' bl\xfcue", "photos": "a.png"}', "is not UTF-8"),
    "number too long": (b'{"id": ' + b"9" * 5000 + b', "title": "Blue", "photos": "a.png"}', "is not JSON"),
    "zero in the path": (b'{"id": "b", "title": "Blue", "photos": "a\\u0000.png"}', "does not exist"),
    "split unknown": (b'{"id": "b", "title": "Blue", "photos": "a.png", "split": "dev"}', "split must be one of"),
}


@pytest.mark.parametrize(("row", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_of_a_jsonl(row, reason, folder, import_source):
    source = folder(b'{"id": 1, "title": "Red", "photos": ["a.png"]}\n' + row, "products.jsonl")
    line, rejects = import_source(source, "--table", "products.jsonl")
    assert "products.jsonl, row 2: " in line and reason in line
    assert [reject["row"] for reject in rejects] == [2]


def test_odd_values_of_a_jsonl_are_kept_as_text(folder, run, tmp_path):
    row = b'{"id": 7, "title": true, "photos": "a.png", "price": NaN, "sizes": {"s": [1, null]}, "none": null}'
    assert (
        run("catalog", "import", "folder", folder(row, "p.jsonl"), "--table=p.jsonl", "--out", tmp_path / "out")[0] == 0
    )
    product = json.loads((tmp_path / "out" / "products.jsonl").read_text())
    assert product["id"] == "7" and product["title"] == "true"
    assert product["attributes"] == {"sizes": '{"s": [1, null]}'}


def test_a_long_line_takes_linear_time(folder, run, tmp_path):
    table = b"id,title,photos,more\na,Caf\xe9,a.png," + b"x" * 1_000_000 + b"\n"
    started = time.process_time()
    code, printed, _ = run("catalog", "import", "folder", folder(table), "--out", tmp_path / "out")
    assert code == 0 and "read as cp1252" in printed
    assert time.process_time() - started < 5
