"""Photos are found whatever the spelling, and nothing ambiguous is guessed."""

import tempfile
import unicodedata
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.catalog.photo_finder import PhotoFinder
from kaleido.catalog.rejects import RowError
from kaleido.catalog.sources import FolderSource, ZipSource


def source_of(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(b"photo")
    return FolderSource(directory)


def path_of(finder, reference):
    found = finder.find(reference)
    return found and found.path


NAMES = st.text(
    st.characters(categories=("L", "Nd")) | st.sampled_from(" -_,;()&+'#%"), min_size=1, max_size=12
).filter(lambda name: name == name.strip() and len(name.encode()) < 100)


def composed(form):
    return lambda path: unicodedata.normalize(form, path)


SPELLINGS = {
    "as it stands": lambda path: path,
    "NFC": composed("NFC"),
    "NFD": composed("NFD"),
    "back-slashes": lambda path: path.replace("/", "\\"),
    "percent codes": quote,
    "all percent codes": lambda path: quote(path, safe=""),
    "query": lambda path: f"{quote(path)}?v=1",
    "leading slash": lambda path: f"/{path}",
    "leading dot": lambda path: f"./{path}",
    "doubled slash": lambda path: path.replace("/", "//"),
    "capitals": lambda path: path.upper() if path.upper().casefold() == path.casefold() else path,
    "no suffix": lambda path: path.removesuffix(".JPG"),
    "address": lambda path: f"https://cdn.example.com/{quote(path)}?v=123",
    "address without scheme": lambda path: f"//cdn.example.com/shop/{quote(path)}",
    "drive": lambda path: "C:\\shop\\" + path.replace("/", "\\"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(folder=NAMES, name=NAMES)
def test_every_spelling_finds_the_file(spelling, folder, name):
    path = f"{folder}/{name}.JPG"
    with tempfile.TemporaryDirectory() as directory:
        finder = PhotoFinder(source_of(Path(directory), path, "other/another one.png"))
        assert path_of(finder, SPELLINGS[spelling](path)) == path


@pytest.mark.parametrize("encoding", ["utf-8", "cp437", "cp1252", "cp850", "cp1251", "cp932", "gb18030"])
@given(name=NAMES)
def test_names_of_a_zip_in_any_encoding(encoding, name):
    with tempfile.TemporaryDirectory() as directory:
        try:
            raw = f"images/{name}.jpg".encode(encoding)
        except UnicodeEncodeError:
            return
        # No member name of these encodings may contain a slash or a back-slash of its own.
        if b"\\" in raw or raw.count(b"/") != 1:
            return
        path = Path(directory) / "s.zip"
        with zipfile.ZipFile(path, "w") as file:
            info = zipfile.ZipInfo("images/" + "x" * (len(raw) - 7))
            file.writestr(info, b"photo")
        path.write_bytes(path.read_bytes().replace(info.filename.encode(), raw))
        source = ZipSource(path)
        found = PhotoFinder(source).find(f"images/{name}.jpg")
        assert found and source.read(found.path) == b"photo"
        assert ZipSource(path).read(found.path) == b"photo"


def test_what_is_there_goes_before_what_is_alike(tmp_path):
    finder = PhotoFinder(
        source_of(tmp_path, "a%20b.jpg", "a b.jpg", "x#1.jpg", "x", "C.jpg", "c.jpg", "d.png", "d.jpg")
    )
    for name in ("a%20b.jpg", "a b.jpg", "x#1.jpg", "x", "C.jpg", "c.jpg", "d.png"):
        assert path_of(finder, name) == name
    for ambiguous in ("c.JPG", "d", "D"):
        with pytest.raises(RowError, match=f"photo '{ambiguous}' may be '[^']*' or '[^']*'; write the path"):
            finder.find(ambiguous)


def test_the_tables_folder_the_top_folder_and_any_folder(tmp_path):
    source = source_of(
        tmp_path, "export/tables/images/1.jpg", "export/images/1.jpg", "export/images/2.jpg", "export/m/3.jpg"
    )
    finder = PhotoFinder(source, table_folder="export/tables")
    assert path_of(finder, "images/1.jpg") == "export/tables/images/1.jpg"
    assert path_of(finder, "images/2.jpg") == "export/images/2.jpg"
    assert path_of(PhotoFinder(source), "images/1.jpg") == "export/images/1.jpg"
    assert path_of(finder, "3.jpg") == "export/m/3.jpg"
    assert path_of(finder, "../images/2.jpg") == path_of(finder, "..\\IMAGES\\2.jpg") == "export/images/2.jpg"
    assert path_of(finder, "images/../../m/./3.jpg") == "export/m/3.jpg"
    assert finder.find("../../../export/m/3.jpg") is None
    with pytest.raises(RowError, match="may be"):
        finder.find("1.jpg")


def test_suffixes_of_one_format(tmp_path):
    finder = PhotoFinder(source_of(tmp_path, "1.jpg", "2.JPEG", "3.tif", "4.png"))
    assert [path_of(finder, name) for name in ("1.jpeg", "2.jpg", "3.tiff", "4.jpg")] == [
        "1.jpg",
        "2.JPEG",
        "3.tif",
        None,
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_a_source_below_the_tables_folder(tmp_path, packed):
    source = source_of(tmp_path / "shop" / "images", "a/1.jpg", "a/2.jpg", "2.jpg")
    if packed:
        with zipfile.ZipFile(tmp_path / "shop" / "images.zip", "w") as file:
            for name, _ in source.names():
                file.writestr(name, b"photo")
        source = ZipSource(tmp_path / "shop" / "images.zip")
    finder = PhotoFinder(source, "..")
    assert path_of(finder, "images/a/1.jpg") == "a/1.jpg" and path_of(finder, "images/2.jpg") == "2.jpg"
    assert path_of(PhotoFinder(source, "../.."), "shop/images/A/2.JPG") == "a/2.jpg"
    assert finder.find("other/2.jpg") is None


def test_an_address_goes_by_as_many_folders_as_agree(tmp_path):
    finder = PhotoFinder(source_of(tmp_path, "2024/06/tee.jpg", "2024/07/tee.jpg", "b/one.jpg"))
    start = "https://shop.example.com/wp-content/uploads"
    assert path_of(finder, f"{start}/2024/07/tee.jpg") == "2024/07/tee.jpg"
    assert finder.find(f"{start}/x/one.jpg").how == "name"
    deeper = PhotoFinder(source_of(tmp_path / "deep", "a/06/t.jpg", "b/07/t.jpg", "c.jpg"))
    assert path_of(deeper, f"{start}/2024/07/t.jpg") == "b/07/t.jpg"
    assert finder.find("https://shop.example.com/none.jpg") is None
    with pytest.raises(RowError, match=r"'2024/06/tee.jpg'.*'2024/07/tee.jpg'|'2024/07/tee.jpg'.*'2024/06/tee.jpg'"):
        finder.find(f"{start}/tee.jpg")


def test_by_name_and_within_a_folder(tmp_path):
    source = source_of(tmp_path, "img/1.jpg", "old/1.jpg", "old/2.jpg")
    assert PhotoFinder(source).find("shop/media/1.jpg") is None
    finder = PhotoFinder(source, within="img", by_name=True)
    assert path_of(finder, "shop/media/1.jpg") == path_of(finder, "1.jpg") == "img/1.jpg"
    assert finder.find("old/2.jpg") is None and finder.find("2.jpg") is None


@pytest.mark.parametrize(
    "reference", ["../a.jpg", "b/../../a.jpg", "..\\a.jpg", "%2e%2e/a.jpg", "/etc/passwd", "https://x.org/../a.jpg"]
)
def test_nothing_outside_is_found(tmp_path, reference):
    (tmp_path / "a.jpg").write_bytes(b"secret")
    assert PhotoFinder(source_of(tmp_path / "in", "b/c.jpg")).find(reference) is None


def test_a_link_to_a_folder_above_ends(tmp_path):
    source = source_of(tmp_path, "a/b.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert path_of(PhotoFinder(source), "A/B.JPG") == "a/b.jpg"


def test_a_refusal_ends_with_the_nearest_file(tmp_path):
    finder = PhotoFinder(source_of(tmp_path, "images/dress-red.jpg", "images/hat.jpg", "products.csv"))
    assert finder.problem("images/dres-red.jpg").endswith("(the nearest is 'images/dress-red.jpg')")
    assert finder.problem("https://x.org/hut.jpg").endswith(
        "--fetch-photos downloads it (the nearest is 'images/hat.jpg')"
    )
    assert finder.problem("images") == "'images' is not a file"
    problems = [finder.problem(f"{number}.jpg") for number in range(100)]
    assert sum("nearest" in problem for problem in problems) < 100
