"""The small exports of shared/cases, as far as photos and rows of one product are concerned."""

import zipfile
from pathlib import Path

import pytest

from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError

CASES = Path(__file__).parents[2] / ".." / "shared" / "cases"

pytestmark = pytest.mark.skipif(not CASES.exists(), reason="needs shared/cases")

SHOPIFY = {"id": "Handle", "title": "Title", "description": "Body (HTML)", "photos": "Image Src"}
WOO = {"id": "ID", "title": "Name", "photos": "Images"}
CREW = ["img/1.jpg", "img/2.jpg"]

PRODUCTS = {
    "paths/backslash.csv": ({}, {"1": ["images/Shirt_01.JPG"]}),
    "paths/case.csv": ({}, {"1": ["images/Shirt_01.JPG"]}),
    "paths/noext.csv": ({}, {"1": ["images/Shirt_01.JPG"]}),
    "paths/upper_default.csv": ({}, {"Shirt_01": ["images/Shirt_01.JPG"]}),
    "paths/dot.csv": ({}, {"1": ["images/a b.jpg"]}),
    "paths/pct.csv": ({}, {"1": ["images/a b.jpg"]}),
    "paths/leading_slash.csv": ({}, {"1": ["images/a b.jpg"]}),
    "paths/nfc.csv": ({}, {"1": ["images/hemd-gro\u0308\u00dfe.jpg"]}),
    "paths/semi.csv": ({}, {"1": ["images/1;2.jpg"]}),
    "shopify/export_local.csv": (
        SHOPIFY,
        {"crew-tee": CREW, "denim-skirt": ["img/3.jpg"], "linen-dress": ["img/4.jpg"]},
    ),
    "shopify/export_urls.csv": (
        SHOPIFY,
        {"crew-tee": CREW, "denim-skirt": ["img/3.jpg"], "linen-dress": ["img/4.jpg"]},
    ),
    "woo/wc_local.csv": (
        WOO,
        {
            "11": ["2024/06/tee-1.jpg", "2024/06/tee-2.jpg"],
            "12": ["2024/06/hoodie-1.jpg"],
            "13": ["2024/06/tee-1.jpg"],
            "14": ["2024/06/skirt, red.jpg"],
            "15": ["2024/06/hoodie-1.jpg"],
        },
    ),
    "missing_one/products.csv": ({}, {"1": ["images/1.jpg", "images/2.jpg"], "2": ["images/3.jpg"]}),
    "missing_one/rows.csv": ({}, {"1": ["images/1.jpg", "images/2.jpg"], "2": ["images/3.jpg"]}),
    "missing_one/damaged.csv": (
        {},
        {"1": ["images/1.jpg", "images/2.jpg"], "2": ["images/3.jpg"], "3": ["images/5.jpg"]},
    ),
    "columns/space_sep.csv": ({}, {"1": ["images/1.jpg", "images/2.jpg"]}),
    "columns/listliteral.csv": ({}, {"1": ["images/1.jpg", "images/2.jpg"], "2": ["images/3.jpg"]}),
    "columns/dup_same.csv": ({}, {"1": ["images/1.jpg"]}),
    "columns/hover.csv": ({"photos": ["image1", "image2"]}, {"1": ["images/1.jpg"], "2": ["images/2.jpg"]}),
    "formats/url.csv": ({}, {"1": ["images/7b4ca4a5-fd04-4a96-9f40-1a982ff6cb8b.jpg"]}),
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_photos(case, tmp_path):
    columns, expected = PRODUCTS[case]
    folder, name = case.split("/")
    options = {"source": CASES / folder, "columns": columns, "on_error": "skip"}
    catalog = Catalog.from_table(name, tmp_path / "out", **options)
    assert {
        product.id: [photo.uri.removeprefix("photos/") for photo in product.photos] for product in catalog.products
    } == expected


@pytest.mark.parametrize("table", sorted((CASES / "excel_de").glob("products_*")), ids=lambda path: path.name)
def test_german_tables_need_no_columns(table, tmp_path):
    products = Catalog.from_table(table, tmp_path / "out").products
    assert [(one.id, one.title, one.category) for one in products] == [
        ("A1", 'Kleid "Zoé" für Damen', "Kleider"),
        ("A2", "Herrenhemd", "Hemden"),
        ("A3", "Rock", "Röcke"),
    ]
    assert [photo.uri for one in products for photo in one.photos] == [f"photos/fotos/a{n}.jpg" for n in (1, 2, 3)]


@pytest.mark.parametrize("case", ["missing_one/products.csv", "missing_one/rows.csv", "missing_one/damaged.csv"])
def test_a_bad_photo_stops(case, tmp_path):
    folder, name = case.split("/")
    with pytest.raises(UserError, match=r"row 2: photo 'images/(99|bad)\.jpg'.*--on-error skip"):
        Catalog.from_table(name, tmp_path / "out", source=CASES / folder)


def test_a_photo_root(tmp_path):
    options = {"source": CASES / "shopify", "columns": SHOPIFY}
    for number, root in enumerate(("img", CASES / "shopify" / "img")):
        catalog = Catalog.from_table("export_urls.csv", tmp_path / str(number), photo_root=str(root), **options)
        assert [photo.uri for photo in catalog.products[0].photos] == ["photos/1.jpg", "photos/2.jpg"]
    with pytest.raises(UserError, match=r"--photo-root: there is no folder or zip 'imgs'.*the nearest is 'img'"):
        Catalog.from_table("export_urls.csv", tmp_path / "none", photo_root="imgs", **options)


def test_a_template(tmp_path):
    options = {"source": CASES / "missing_one", "on_error": "skip"}
    catalog = Catalog.from_table("products.csv", tmp_path / "out", photo="images/{id:.1}.jpg", **options)
    assert [photo.uri for product in catalog.products for photo in product.photos] == [
        "photos/images/1.jpg",
        "photos/images/2.jpg",
    ]


def test_a_photo_root_in_a_zip(tmp_path, monkeypatch):
    (tmp_path / "img").mkdir()
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as file:
        for path in ("export_urls.csv", "img/1.jpg", "img/2.jpg", "img/3.jpg", "img/4.jpg"):
            file.write(CASES / "shopify" / path, path)
        file.write(CASES / "shopify" / "img" / "5.jpg", "old/1.jpg")
    options = {"source": "shop.zip", "columns": SHOPIFY, "photo_root": "img"}
    catalog = Catalog.from_table("export_urls.csv", tmp_path / "out", **options)
    assert [photo.uri for photo in catalog.products[0].photos] == ["photos/img/1.jpg", "photos/img/2.jpg"]
    with pytest.raises(UserError, match="the nearest is 'img'"):
        Catalog.from_table("export_urls.csv", tmp_path / "none", **(options | {"photo_root": "imgs"}))
