import zipfile
from collections import Counter
from pathlib import Path

import pytest

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.fashion_small import import_fashion_small
from kaleido.catalog.files import write_catalog
from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError

DATASETS = Path(__file__).parents[2] / ".." / "shared" / "datasets"
HEADING = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName\n"
SHIRT = "15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011.0,Casual,Turtle Check Men Navy Blue Shirt\n"
COMMAS = "7,Men,Apparel,Topwear,Shirts,Red,,,Casual,Shirt, red, checked\n"
MISSING = "8,Men,Apparel,Topwear,Shirts,Red,,,Casual,Shirt\n"


def make_zip(path, table, *ids):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("styles.csv", table)
        for identifier in ids:
            archive.writestr(f"images/{identifier}.jpg", "photo")
    return path


def test_columns_and_unquoted_commas(tmp_path):
    path = make_zip(tmp_path / "small.zip", HEADING + SHIRT + COMMAS, 15970, 7)
    shirt, commas = import_fashion_small({"": path}, Rejects()).products
    assert (shirt.id, shirt.title, shirt.description) == ("15970", "Turtle Check Men Navy Blue Shirt", "")
    assert (shirt.category, shirt.subcategory, shirt.split) == ("Apparel", "Topwear", "")
    assert shirt.attributes["articleType"] == "Shirts" and shirt.attributes["year"] == "2011.0"
    assert shirt.photos[0].uri == "photos/images/15970.jpg"
    assert commas.title == "Shirt, red, checked" and "season" not in commas.attributes


def test_unpacked_folder_with_splits(tmp_path):
    with zipfile.ZipFile(make_zip(tmp_path / "small.zip", HEADING + SHIRT, 15970)) as archive:
        archive.extractall(tmp_path / "train")
    test = make_zip(tmp_path / "test.zip", HEADING + COMMAS, 7)
    imported = import_fashion_small({"train": tmp_path / "train", "test": test}, Rejects())
    assert {product.id: product.split for product in imported.products} == {"15970": "train", "7": "test"}
    assert [product.photos[0].uri.partition("/")[0] for product in imported.products] == ["train", "test"]


def test_rejected_rows(tmp_path):
    train = make_zip(tmp_path / "train.zip", HEADING + SHIRT + MISSING, 15970)
    test = make_zip(tmp_path / "test.zip", HEADING + COMMAS + SHIRT, 15970, 7)
    with pytest.raises(UserError, match=r"train.zip/styles.csv, row 3: photo 'images/8.jpg' does not exist"):
        import_fashion_small({"train": train}, Rejects())
    rejects = Rejects("skip")
    products = import_fashion_small({"train": train, "test": test}, rejects).products
    assert [product.id for product in products] == ["15970", "7"]
    assert [reject.row for reject in rejects.rows] == [3, 3]
    assert rejects.rows[1].reason == "product '15970' is in 'train/images/15970.jpg' already"


def test_other_layouts(tmp_path):
    with pytest.raises(UserError, match=r"'styles.csv' does not exist in the folder; give the zip or folder with"):
        import_fashion_small({"": tmp_path}, Rejects())
    path = make_zip(tmp_path / "small.zip", HEADING.replace("subCategory", "subcategory"))
    with pytest.raises(UserError, match=r"no column 'subCategory' \(the nearest is 'subcategory'\)"):
        import_fashion_small({"": path}, Rejects())


@pytest.mark.skipif(not DATASETS.exists(), reason="needs the real data")
def test_real_catalogue(tmp_path):
    paths = {"train": DATASETS / "fashion_small_train.zip", "validation": DATASETS / "fashion_small_valid.zip"}
    rejects = Rejects("skip")
    imported = import_fashion_small(paths, rejects)
    write_catalog(tmp_path, "small", "fashion-small", imported.sources, imported.products, {})
    catalog = Catalog.open(tmp_path)
    assert rejects.rows == []
    assert Counter(product.split for product in catalog.products) == {"train": 31_644, "validation": 3_935}
    assert len({product.subcategory for product in catalog.products}) == 28
    assert catalog.read(catalog.products[0].photos[0].uri)[:2] == b"\xff\xd8"


def test_markup_and_missing_values(tmp_path):
    odd = "9,Men,Apparel,nan,Shirts,NA,,,<i>Casual</i>,<b>Tom</b> &amp; Co Shirt\n"
    path = make_zip(tmp_path / "small.zip", HEADING + odd, 9)
    imported = import_fashion_small({"": path}, Rejects())
    (shirt,) = imported.products
    assert (shirt.title, shirt.subcategory) == ("Tom & Co Shirt", "")
    assert shirt.attributes == {"gender": "Men", "articleType": "Shirts", "usage": "Casual"}
    assert imported.notes.counts() == {"texts cleaned of markup": 2, "cells read as empty": 2}
    (shirt,) = import_fashion_small({"": path}, Rejects(), empty=["nan"]).products
    assert shirt.attributes["baseColour"] == "NA" and shirt.subcategory == ""
