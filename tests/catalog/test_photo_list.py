"""Lists of photos of a folder, or of a table with their texts."""

import json
import zipfile

import pytest

from kaleido.catalog.photo_list import photos_of_folder, photos_of_table
from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError


@pytest.fixture
def shop(tmp_path):
    """Writes a table and its photos and returns the list."""
    for name in ("a.jpg", "b.png", "in/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"photo")

    def read(table, name="shop.csv", on_error="stop", **arguments):
        (tmp_path / name).write_text(table)
        return photos_of_table(tmp_path / name, Rejects(on_error), **arguments)

    return read


def test_photo_and_text_and_nothing_else(shop, tmp_path):
    found = shop("photo,text\na.jpg,Red dress\nin/c.webp,\n")
    assert [(photo.path, photo.text) for photo in found.photos] == [("a.jpg", "Red dress"), ("in/c.webp", "")]
    assert [dict(photo.key) for photo in found.photos] == [
        {"row": 2, "photo": "a.jpg"},
        {"row": 3, "photo": "in/c.webp"},
    ]
    assert found.photos[0].place == f"{tmp_path / 'shop.csv'}, row 2"
    assert found.source.read("a.jpg") == b"photo" and found.name == "shop.csv"


def test_a_table_that_can_be_imported_gives_the_texts_of_its_catalogue(shop):
    table = "sku,name,blurb,one,two\n1,Dress,Red.,a.jpg|b.png,in/c.webp\n2,Hat!,Blue.,b.png,\n"
    columns = {"id": ["sku"], "title": ["name"], "description": ["blurb"], "photos": ["one", "two"]}
    found = shop(table, columns=columns)
    assert [photo.text for photo in found.photos] == ["Dress. Red."] * 3 + ["Hat! Blue."]
    assert [photo.key["id"] for photo in found.photos] == ["1", "1", "1", "2"]
    assert [photo.path for photo in found.photos] == ["a.jpg", "b.png", "in/c.webp", "b.png"]
    assert [photo.text for photo in shop(table, columns={"text": ["name"], "photo": ["one"]}).photos][-1] == "Hat!"


def test_a_column_text_is_the_whole_text(shop):
    table = "photo,text,title,description,id\na.jpg,whole,title,description,7\n"
    (photo,) = shop(table).photos
    assert (photo.text, photo.key["id"]) == ("whole", "7")
    (photo,) = shop(table, columns={"title": ["title"]}).photos
    assert photo.text == "title. description"
    (photo,) = shop(table, columns={"description": ["description"]}).photos
    assert photo.text == "whole. description"


def test_jsonl_and_a_zip_of_photos(shop, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("z.png", "zipped")
    table = json.dumps({"photo": ["z.png"], "text": "Dress"})
    found = shop(table, name="shop.jsonl", source=tmp_path / "photos.zip")
    assert found.source.read(found.photos[0].path) == b"zipped"
    with pytest.raises(UserError, match=r"'z\.png' does not exist in the folder"):
        shop(table, name="shop.jsonl")


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        ("view,text\na.jpg,x\n", {}, "has no column 'photo'.*--columns photo=COLUMN. Received: view, text"),
        ("photo,txt\na.jpg,x\n", {}, r"has no column 'text' \(the nearest is 'txt'\).*--columns text=COLUMN"),
        ("photo,text\na.jpg,x\n", {"columns": {"text": ["name"]}}, "has no column 'name'"),
        ("photo,text\na.jpg,x\n", {"columns": {"size": ["text"]}}, "no field 'size'"),
        ("photo,text\n", {}, "has no row that can be used"),
        ("", {}, "is empty"),
        ("photo,text\na.jpg,x\nnone.jpg,y\n", {}, "row 3: photo 'none.jpg' does not exist in the folder"),
        ("photo,text\n../a.jpg,x\n", {}, "row 2: photo '../a.jpg' leads out"),
        ("photo,text\n,x\n", {}, "row 2: no photo in photo"),
        ("photo,text\na.jpg\n", {}, "row 2: has 1 fields where the heading has 2"),
        ("photo,text\na.jpg,x\nb.png,\n", {"texts": "required"}, "row 3: has no text"),
        ("photo,text\nnone.jpg,x\n", {"on_error": "skip"}, "no row can be used; the first: photo 'none.jpg'"),
        ("photo,text\na.jpg,x\n", {"source": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_used_is_named(shop, table, arguments, message):
    with pytest.raises(UserError, match=message):
        shop(table, **arguments)


def test_rows_of_no_use_are_left_out_and_kept_account_of(shop):
    found = shop("photo,text\nnone.jpg,x\na.jpg,y\nb.png,\n", on_error="skip", texts="required")
    assert [photo.path for photo in found.photos] == ["a.jpg"]
    assert [(reject.row, reject.reason[:5]) for reject in found.rejects] == [(2, "photo"), (4, "has n")]


def test_captions_need_no_texts(shop):
    assert [photo.text for photo in shop("photo\na.jpg\n", texts="unused").photos] == [""]
    assert [photo.text for photo in shop("photo,text\na.jpg,said\n", texts="unused").photos] == [""]


def test_a_folder(shop, tmp_path):
    (tmp_path / ".hidden.jpg").write_bytes(b"photo")
    (tmp_path / "note.txt").write_bytes(b"photo")
    found = photos_of_folder(tmp_path)
    assert [photo.path for photo in found.photos] == ["a.jpg", "b.png", "in/c.webp"]
    assert dict(found.photos[0].key) == {"photo": "a.jpg"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no photos here"):
        photos_of_folder(tmp_path / "empty")
    with pytest.raises(UserError, match="is not a folder"):
        photos_of_folder(tmp_path / "absent")


def test_tables_are_read_as_in_an_import(shop):
    table = 'SKU;Name;Body (HTML);Image Src\n1;<b>Dress</b>;nan;a.jpg\n2;Hat;"A &amp; B";b.png\n'
    found = shop(table)
    assert [photo.text for photo in found.photos] == ["Dress", "Hat. A & B"]
    assert [photo.key["id"] for photo in found.photos] == ["1", "2"]
    assert found.notes.counts() == {"texts cleaned of markup": 2, "cells read as empty": 1}
    one_line = json.dumps([{"photo": "a.jpg", "text": "x"}, {"photo": "b.png", "text": "y"}])
    assert [photo.text for photo in shop(one_line, name="shop.json").photos] == ["x", "y"]
