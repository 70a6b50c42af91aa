import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kaleido.catalog import photos
from kaleido.catalog.folder import import_folder
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError

UNCHECKED = PhotoOptions(check_photos=False)
"""For files that need not be photos."""


def import_from(directory, table, photos=(), on_error="stop", name="products.csv", **arguments):
    data = table if isinstance(table, bytes) else table.encode()
    (directory / name).write_bytes(data)
    for photo in photos:
        (directory / photo).parent.mkdir(parents=True, exist_ok=True)
        (directory / photo).write_bytes(b"photo")
    rejects = Rejects(on_error)
    imported = import_folder(directory, name, rejects, **{"photo_options": UNCHECKED, **arguments})
    return imported.products, [(reject.row, reject.reason) for reject in rejects.rows]


def uris(product):
    return [photo.uri for photo in product.photos]


def test_quotes_line_breaks_and_byte_order_mark(tmp_path):
    table = '\ufeffid,title,description,photos,colour\r\n1,"Dress, ""red""","Two\nlines",a.jpg,red\r\n2,Hat,,b.jpg,\r\n'
    (first, second), _ = import_from(tmp_path, table, ["a.jpg", "b.jpg"])
    assert (first.id, first.title, first.description) == ("1", 'Dress, "red"', "Two\nlines")
    assert first.attributes == {"colour": "red"} and second.attributes == {}
    assert uris(first) == ["photos/a.jpg"]


def test_photos_of_several_columns_separators_and_rows(tmp_path):
    table = "sku,name,img1,img2\n1,Dress,a.jpg|b.jpg,./c.jpg\n2,Hat,b.jpg,\n1,Dress,,d.jpg\n1,,e.jpg ; f.jpg,\n"
    columns = {"id": ["sku"], "title": ["name"], "photos": ["img1", "img2"]}
    (dress, hat), _ = import_from(tmp_path, table, [f"{name}.jpg" for name in "abcdef"], columns=columns)
    assert uris(dress) == [f"photos/{name}.jpg" for name in "abcdef"]
    assert [photo.id for photo in dress.photos] == [f"1-{n}" for n in range(1, 7)]
    assert uris(hat) == ["photos/b.jpg"]


def test_without_photo_column_the_id_names_the_photo(tmp_path):
    products, _ = import_from(tmp_path, "id,title\n1,Dress\n2,Hat\n", ["images/1.webp", "images/2.jpg"])
    assert [uris(product) for product in products] == [["photos/images/1.webp"], ["photos/images/2.jpg"]]


def test_jsonl(tmp_path):
    rows = [
        {"id": 7, "title": "Dress", "photos": ["a.jpg", "b.jpg"], "price": 1.5, "sizes": ["S"], "split": "train"},
        {"id": "8", "description": "A hat.", "photos": "a.jpg", "note": None},
    ]
    table = "\n\n".join(map(json.dumps, rows))
    (dress, hat), _ = import_from(tmp_path, table, ["a.jpg", "b.jpg"], name="p.jsonl")
    assert (dress.id, dress.split, dress.attributes) == ("7", "train", {"price": "1.5", "sizes": '["S"]'})
    assert uris(dress) == ["photos/a.jpg", "photos/b.jpg"]
    assert (hat.title, hat.description, hat.attributes) == ("", "A hat.", {})


def test_zip_with_its_table(tmp_path):
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("products.csv", "id,title\n1,Dress\n")
        archive.writestr("images/1.png", "photo")
    imported = import_folder(tmp_path / "shop.zip", "products.csv", Rejects(), photo_options=UNCHECKED)
    assert imported.sources["photos"].read("images/1.png") == b"photo"
    assert uris(imported.products[0]) == ["photos/images/1.png"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2,Hat,none.jpg,", "photo 'none.jpg' does not exist"),
        ("2,Hat,empty.jpg,", "photo 'empty.jpg' is an empty file"),
        ("2,Hat,../a.jpg,", "leads out"),
        ("2,Hat,,", "no photo in photos"),
        ("2,,a.jpg,", "neither a title nor a description"),
        (",Hat,a.jpg,", "the id is empty"),
        ("2,Hat,a.jpg,val", "must be one of train, validation, test. Received: 'val'"),
        ("1,Hat,a.jpg,", "product '1' is in an earlier row with another title"),
        ("2,Hat", "has 2 fields where the heading has 4"),
        ("2,Hat,a.jpg,,,x", "has 6 fields where the heading has 4"),
        ('2,"Hat,a.jpg,', "is not CSV"),
        ("2,Déjà".encode() + b" H\xe9t,a.jpg,", "column 'title' is not UTF-8"),
    ],
)
def test_wrong_row_is_named_or_skipped(tmp_path, row, reason):
    (tmp_path / "empty.jpg").touch()
    row = row if isinstance(row, bytes) else row.encode()
    table = b"id,title,photos,split\n1,Dress,a.jpg,\n" + row + b"\n"
    with pytest.raises(UserError, match=r"products.csv, row 3: .*--on-error skip\.$") as error:
        import_from(tmp_path, table, ["a.jpg"])
    assert reason in str(error.value) and "\n" not in str(error.value)
    products, rejected = import_from(tmp_path, table, ["a.jpg"], on_error="skip")
    assert [product.id for product in products] == ["1"]
    assert [number for number, _ in rejected] == [3] and reason in rejected[0][1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"id": "2", "title": "\\ud800", "photos": "a.jpg"}', "not UTF-8"),
        ('{"id": "2", "title": ["x"], "photos": "a.jpg"}', "column 'title' must hold text"),
        ('{"id": "2", "title": "x", "photos": [1]}', "column 'photos' must hold a path or a list"),
    ],
)
def test_wrong_json_line(tmp_path, line, reason):
    table = '{"id": "1", "title": "Dress", "photos": "a.jpg"}\n' + line
    products, rejected = import_from(tmp_path, table, ["a.jpg"], name="p.jsonl", on_error="skip")
    assert len(products) == 1 and rejected[0][0] == 2 and reason in rejected[0][1]


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ("idd,title\n", {}, r"no column 'id' \(the nearest is 'idd'\)"),
        ("id,tittle\n", {}, r"no column 'title' \(the nearest is 'tittle'\)"),
        ("id,title\n", {"photos": ["image"]}, "no column 'image'; correct --columns photos=COLUMN"),
        ("id,title\n", {"titel": ["title"]}, r"no field 'titel' \(the nearest is 'title'\)"),
        ("id,title,x\n", {"title": ["title", "x"]}, "only photos may have several"),
        ("id,title,title\n", {}, "'title' occurs twice"),
        ("id,t\xeftlés\n".encode() + b"\xef", {}, "no column 'title'"),
        ("déjà".encode() + b" \xef,title\n", {}, "row 1: is not UTF-8"),
        ("", {}, r"products\.csv is empty"),
    ],
)
def test_wrong_heading(tmp_path, table, columns, message):
    with pytest.raises(UserError, match=message):
        import_from(tmp_path, table, columns=columns)


def test_missing_files(tmp_path):
    with pytest.raises(UserError, match="none does not exist"):
        import_folder(tmp_path / "none", "products.csv", Rejects())
    with pytest.raises(UserError, match=r"the table 'products.csv' does not exist in the folder"):
        import_folder(tmp_path, "products.csv", Rejects())
    (tmp_path / "products.docx").write_bytes(b"x")
    with pytest.raises(UserError, match=r"must be a table: \.csv, "):
        import_folder(tmp_path, "products.docx", Rejects())
    with pytest.raises(UserError, match="is not a zip file"):
        import_folder(tmp_path / "products.docx", "products.csv", Rejects())


@pytest.fixture(scope="module")
def shop():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jpg").write_bytes(b"photo")
        (Path(folder) / "b.jpg").write_bytes(b"photo")
        yield Path(folder)


CELL = st.one_of(st.sampled_from(["", "1", "2", "3", "a.jpg", "b.jpg", "c.jpg", "train"]), st.text(max_size=6))
ROWS = st.lists(
    st.tuples(CELL, CELL, st.sampled_from(["a.jpg", "b.jpg", "c.jpg", ""])).filter(lambda r: any(f.strip() for f in r)),
    max_size=8,
)


def check_account(shop, data, name, row_count):
    """Checks that every row with at most one photo became a photo or a reject, or repeated or had none."""
    rejects = Rejects("skip")
    (shop / name).write_bytes(data)
    imported = import_folder(shop, name, rejects, photo_options=PhotoOptions(separators="", check_photos=False))
    counts = imported.notes.counts()
    merged = counts.get("repeated photos, kept once", 0) + counts.get("rows without a photo", 0)
    assert sum(len(product.photos) for product in imported.products) + len(rejects.rows) + merged == row_count
    assert len({reject.row for reject in rejects.rows}) == len(rejects.rows)


@settings(max_examples=150)
@given(rows=ROWS)
def test_every_csv_row_is_accounted_for(shop, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("id", "title", "photos"), *rows])
    check_account(shop, text.getvalue().encode("utf-8", "surrogatepass"), "p.csv", len(rows))


@settings(max_examples=150)
@given(rows=ROWS)
def test_every_jsonl_row_is_accounted_for(shop, rows):
    # The first row guarantees that the columns exist.
    rows = [("first", "First", "a.jpg"), *rows]
    lines = [json.dumps(dict(zip(("id", "title", "photos"), row))) for row in rows]
    check_account(shop, "\n".join(lines).encode(), "p.jsonl", len(rows))


@settings(max_examples=300)
@given(data=st.binary(max_size=200), name=st.sampled_from(["p.csv", "p.jsonl"]))
def test_arbitrary_bytes_end_in_products_rejects_or_a_user_error(shop, data, name):
    start = b"id,title,photos\n" if name == "p.csv" else b'{"id": 1, "title": "x", "photos": "a.jpg"}\n'
    rejects = Rejects("skip")
    for content in (start + data, data):
        (shop / name).write_bytes(content)
        try:
            import_folder(shop, name, rejects, photo_options=UNCHECKED)
        except UserError as error:
            assert "\n" not in str(error)
    for reject in rejects.rows:
        assert "\n" not in reject.reason


@pytest.mark.parametrize("slow", [0, 1e9])
def test_photos_are_looked_at_alike_one_by_one_and_in_threads(tmp_path, monkeypatch, slow):
    monkeypatch.setattr(photos, "_SLOW", slow)
    monkeypatch.setattr(photos, "_TOGETHER", 4)
    monkeypatch.setattr(photos, "_REMEMBERED", 8)
    Image.new("RGB", (8, 8)).save(tmp_path / "good.jpg")
    names = [f"{n:02}.jpg" for n in range(40)]
    for n, name in enumerate(names):
        (tmp_path / name).write_bytes(b"" if n % 7 == 3 else (tmp_path / "good.jpg").read_bytes())
    table = "id,title,photo\n" + "".join(f"{n},x,{name}\n" for n, name in enumerate(names * 2))
    products, rejected = import_from(tmp_path, table, on_error="skip", photo_options=PhotoOptions())
    assert [uris(one) for one in products] == [[f"photos/{name}"] for n, name in enumerate(names) if n % 7 != 3] * 2
    assert sum("is an empty file" in reason for _, reason in rejected) == 12


def test_half_a_character_in_a_list_is_no_character(tmp_path):
    table = 'id,title,description,photo\n1,x,"[""a\\ud800""]",a.jpg\n2,x,"[""ab""]",a.jpg\n3,x,,"[""\\ud800.jpg""]"\n'
    products, rejected = import_from(tmp_path, table, ["a.jpg"], on_error="skip")
    assert [one.description for one in products] == ['["a\\ud800"]', "ab"]
    assert rejected and json.dumps(rejected, ensure_ascii=False).encode()
