"""`Catalog.from_table`, `from_dataframe` and `wardrobe`, beside the commands that do the same."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from kaleido import __main__ as kaleido
from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError

COLUMNS = {"id": "sku", "title": "name", "photos": ["image1", "image2"]}


class Frame:
    """Stands for a pandas DataFrame."""

    def __init__(self, rows):
        self._rows = rows

    def to_dict(self, orient):
        assert orient == "records"
        return self._rows


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (30, 40), "red").save(folder / name)
    (folder / "goods.csv").write_text("sku,name,image1,image2,price\n1,Red dress,a.png,b.png,7\n2,Hat,c.png,,\n")
    return folder


def files(catalog):
    return {path.name: path.read_bytes() for path in catalog.directory.iterdir()}


def test_from_table_writes_what_the_command_writes(tmp_path, shop):
    catalog = Catalog.from_table(shop / "goods.csv", tmp_path / "one" / "c", columns=COLUMNS)
    named = ["--columns", "id=sku", "title=name", "photos=image1,image2"]
    out = tmp_path / "two" / "c"
    kaleido.run(["catalog", "import", "folder", str(shop), "--table", "goods.csv", *named, "--out", str(out)])
    assert files(catalog) == files(Catalog.open(out))
    assert len(catalog) == 2 and repr(catalog) == f"Catalog('{tmp_path}/one/c', 2 products, 3 photos)"
    assert catalog.products[0].attributes == {"price": "7"}


def test_from_table_chooses_a_folder_beside_the_table(tmp_path, shop, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog = Catalog.from_table("shop/goods.csv", columns=COLUMNS)
    assert catalog.directory.resolve() == shop / "goods.catalog"
    written = (shop / "goods.catalog" / "catalog.json").stat().st_mtime_ns
    assert Catalog.from_table(shop / "goods.csv", columns=COLUMNS).products == catalog.products
    assert (shop / "goods.catalog" / "catalog.json").stat().st_mtime_ns == written
    with pytest.raises(UserError, match="made with other arguments"):
        Catalog.from_table("shop/goods.csv", columns=COLUMNS, separators="")
    assert len(Catalog.from_table("shop/goods.csv", columns=COLUMNS, separators="", overwrite=True)) == 2


def test_from_table_replaces_nothing_of_other_origin(shop):
    (shop / "goods.catalog").mkdir()
    (shop / "goods.catalog" / "products.jsonl").write_text("mine")
    with pytest.raises(UserError, match="belongs to no finished catalogue"):
        Catalog.from_table(shop / "goods.csv", columns=COLUMNS, overwrite=True)
    assert (shop / "goods.catalog" / "products.jsonl").read_text() == "mine"


def test_from_table_with_photos_elsewhere(tmp_path, shop):
    (tmp_path / "goods.csv").write_bytes((shop / "goods.csv").read_bytes())
    catalog = Catalog.from_table(tmp_path / "goods.csv", columns=COLUMNS, source=shop, name="mine")
    assert catalog.name == "mine" and catalog.read("photos/a.png") == (shop / "a.png").read_bytes()


def test_options_of_from_table(shop):
    (shop / "c.png").unlink()
    with pytest.raises(UserError, match=r"goods.csv, row 3: photo 'c.png' does not exist"):
        Catalog.from_table(shop / "goods.csv", columns=COLUMNS)
    catalog = Catalog.from_table(shop / "goods.csv", columns=COLUMNS, on_error="skip")
    assert len(catalog) == 1 and (catalog.directory / "rejects.jsonl").is_file()
    with pytest.raises(UserError, match=r"on_error must be stop or skip\. Received: 'ignore'"):
        Catalog.from_table(shop / "goods.csv", shop / "other", columns=COLUMNS, on_error="ignore")
    with pytest.raises(UserError, match="there is no field 'sku'"):
        Catalog.from_table(shop / "goods.csv", shop / "other", columns={"sku": "id"})


def test_from_dataframe_takes_frames_and_mappings(tmp_path, shop):
    rows = [
        {"sku": np.int64(1), "name": "Red dress", "image1": "a.png", "image2": "b.png", "price": np.float64(7.5)},
        {"sku": np.int64(2), "name": "Hat", "image1": ["c.png"], "image2": math.nan, "price": None},
    ]
    catalog = Catalog.from_dataframe(Frame(rows), tmp_path / "c", source=shop, columns=COLUMNS)
    dress, hat = catalog.products
    assert (dress.id, [photo.uri for photo in dress.photos]) == ("1", ["photos/a.png", "photos/b.png"])
    assert dress.attributes == {"price": "7.5"} and hat.attributes == {}
    again = Catalog.from_dataframe(iter(rows), tmp_path / "c", source=shop, columns=COLUMNS)
    assert again.products == catalog.products
    assert json.loads((tmp_path / "c" / "catalog.json").read_text())["kind"] == "folder"
    with pytest.raises(UserError, match="made with other arguments"):
        Catalog.from_dataframe(rows[:1], tmp_path / "c", source=shop, columns=COLUMNS)


def test_from_dataframe_takes_pandas(tmp_path, shop):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"id": [1, 2], "title": ["Dress", "Hat"], "photos": ["a.png", "b.png"], "x": [1, pandas.NA]}
    )
    catalog = Catalog.from_dataframe(frame, tmp_path / "c", source=shop)
    assert [(product.id, product.attributes) for product in catalog.products] == [("1", {"x": "1"}), ("2", {})]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "2", "title": "Hat", "photos": "none.png"}, "photo 'none.png' does not exist"),
        ({"id": None, "title": "Hat", "photos": "b.png"}, "the id is empty"),
        ({"id": "2", "title": "\ud800", "photos": "b.png"}, "is not UTF-8"),
        ({"id": "2", "title": ["Hat"], "photos": "b.png"}, "column 'title' must hold text"),
        (["2", "Hat", "b.png"], "is not a mapping of column names. Received: list"),
    ],
)
def test_wrong_rows_are_named_or_skipped(tmp_path, shop, row, reason):
    rows = [{"id": "1", "title": "Dress", "photos": "a.png"}, row]
    with pytest.raises(UserError, match=rf"data frame, row 1: {reason}"):
        Catalog.from_dataframe(rows, tmp_path / "c", source=shop)
    assert len(Catalog.from_dataframe(rows, tmp_path / "c", source=shop, on_error="skip")) == 1
    (reject,) = [json.loads(line) for line in (tmp_path / "c" / "rejects.jsonl").read_text().splitlines()]
    assert reject["row"] == 1 and reason in reject["reason"]


def test_an_empty_frame_has_no_columns(tmp_path, shop):
    with pytest.raises(UserError, match="data frame has no column 'id'"):
        Catalog.from_dataframe([], tmp_path / "c", source=shop)


def test_wardrobe(tmp_path):
    catalog = Catalog.wardrobe(tmp_path / "w", 3, seed=3, photo_size=32, workers=1, progress=False)
    assert (len(catalog), catalog.kind) == (3, "wardrobe") and catalog.products[0].photos[0].mask_uri
    kaleido.run(f"catalog generate --out {tmp_path}/v/w --products 3 --seed 3 --photo-size 32 --workers 1".split())
    assert catalog.fingerprint == Catalog.open(tmp_path / "v" / "w").fingerprint
    assert Catalog.wardrobe(tmp_path / "w", 3, seed=3, photo_size=32).products == catalog.products
    with pytest.raises(UserError, match="photo-size must be at least 32"):
        Catalog.wardrobe(tmp_path / "x", 3, photo_size=8)


def test_a_column_photo_serves_as_photos(shop):
    (shop / "short.csv").write_text("id,title,photo\n1,Red dress,a.png;b.png\n")
    assert [photo.uri for photo in Catalog.from_table(shop / "short.csv").products[0].photos] == [
        "photos/a.png",
        "photos/b.png",
    ]
