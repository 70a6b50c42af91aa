"""Exports of shops, marketplaces and office programs in their own headings, and what their rows mean."""

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.columns import resolve_columns
from kaleido.catalog.headings import fields_named, heading_row, without_language
from kaleido.catalog.importing import ImportOptions, import_table
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.table import Table
from kaleido.errors import UserError

UNCHECKED = PhotoOptions(check_photos=False)
AT = "https://cdn.example.com/files/1/"


@pytest.fixture
def read(tmp_path):
    """Imports a table beside p1.jpg to p9.jpg; gives titles, categories and photos by product, and the summary."""
    (tmp_path / "shop" / "images").mkdir(parents=True)
    for number in range(1, 10):
        (tmp_path / "shop" / "images" / f"p{number}.jpg").write_bytes(b"photo")

    def read(data, name="p.csv", on_error="stop", **columns):
        data = data if isinstance(data, bytes) else data.encode()
        (tmp_path / "shop" / name).write_bytes(data)
        options = ImportOptions(on_error=on_error, overwrite=True)
        summary = import_table(tmp_path / "shop", name, tmp_path / "out", columns, UNCHECKED, options)
        products = Catalog.open(tmp_path / "out").products
        photos = {one.id: " ".join(p.uri.removeprefix("photos/images/")[:2] for p in one.photos) for one in products}
        return {one.id: (one.title, one.category, photos[one.id]) for one in products}, str(summary)

    return read


def table(*rows, delimiter=","):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([row.split("|") if isinstance(row, str) else row for row in rows])
    return text.getvalue()


SHOPS = {
    "shopify": (
        table(
            "Handle|Title|Body (HTML)|Vendor|Product Category|Type|Variant SKU|Image Src|Image Position",
            f"crew|Crew|<p>Soft</p>|V||Tees|S1|{AT}p1.jpg?v=1|1",
            f"crew||||||S2|{AT}p2.jpg?v=1|2",
            "crew||||||S3||",
            f"skirt|Skirt|x|V||Skirts|S4|{AT}p3.jpg|1",
        ),
        {"crew": ("Crew", "Tees", "p1 p2"), "skirt": ("Skirt", "Skirts", "p3")},
    ),
    "woocommerce": (
        table(
            "ID|Type|SKU|Name|Short description|Description|Categories|Images|Parent",
            f"11|variable|tee|Tee|<p>Tee</p>|A tee|Tops|{AT}p1.jpg, {AT}p2.jpg|",
            f"12|variation|tee-red|Tee - Red||||{AT}p1.jpg|tee",
            "13|variation|tee-blue|Tee - Blue|||||tee",
        ),
        {"11": ("Tee", "Tops", "p1 p2"), "12": ("Tee - Red", "", "p1")},
    ),
    "magento": (
        table(
            "sku|store_view_code|product_type|categories|name|description|base_image|small_image|additional_images",
            "W1||configurable|Women/Tops|Tank|x|/p/1/p1.jpg|/p/1/p1.jpg|/p/1/p1.jpg,/p/2/p2.jpg",
            "W1|de|||Oberteil|y|||",
            "W2||simple|Women/Hats|Hat|x|/p/3/p3.jpg|/p/3/p3.jpg|",
        ),
        {"W1": ("Tank", "Women/Tops", "p1 p2"), "W2": ("Hat", "Women/Hats", "p3")},
    ),
    "bigcommerce, old": (
        table(
            "Item Type|Product ID|Product Name|Product Code/SKU|Product Description|Category|Product Image File - 1|"
            "Product Image Sort - 1|Product Image File - 2",
            "Product|77|Tee|ABS|<p>x</p>|Tops|p1.jpg|0|p2.jpg",
            "  SKU||[S]Color=Red|ABS-R|||||",
            "Product|78|Hat|HAT|y|Hats|p3.jpg|0|",
        ),
        {"77": ("Tee", "Tops", "p1 p2"), "78": ("Hat", "Hats", "p3")},
    ),
    "bigcommerce, new": (
        table(
            "Item|ID|Name|Type|SKU|Options|Categories|Description|Variant Image URL|Image URL (Import)",
            "Product|111|Tee|physical|OT||Tops|x||",
            "Variant|7|||OT-S|Size=S||||",
            f"Image|372||||||||{AT}p1.jpg",
            f"Image|373||||||||{AT}p2.jpg",
            "Product|112|Hat|physical|H||Hats|y||",
            f"Image|374||||||||{AT}p3.jpg",
        ),
        {"111": ("Tee", "Tops", "p1 p2"), "112": ("Hat", "Hats", "p3")},
    ),
    "prestashop": (
        table(
            ["Product ID", "Name *", "Categories (x,y,z...)", "Reference #", "Description", "Image URLs (x,y,z...)"],
            ["1", "Tunic", "Tops", "R1", "<p>x</p>", f"{AT}p1.jpg,{AT}p2.jpg"],
            delimiter=";",
        ),
        {"1": ("Tunic", "Tops", "p1 p2")},
    ),
    "squarespace": (
        table(
            "Product ID [Non Editable]|Variant ID [Non Editable]|Product Type [Non Editable]|Title|Description|SKU|"
            "Option Value 1|Categories|Hosted Image URLs",
            f"60a|v1|PHYSICAL|Tee|x|Q1|S|Tops|{AT}p1.jpg {AT}p2.jpg",
            "|v2||||Q2|M||",
            f"60b|v3|PHYSICAL|Hat|y|Q3||Hats|{AT}p3.jpg\n{AT}p4.jpg",
        ),
        {"60a": ("Tee", "Tops", "p1 p2"), "60b": ("Hat", "Hats", "p3 p4")},
    ),
    "ebay": (
        table(
            "*Action(SiteID=US)|CustomLabel|*Category|*Title|PicURL|*Description|Relationship|RelationshipDetails",
            ["Add", "E1", "53159", "Blouse", f"{AT}p1.jpg|{AT}p2.jpg", "<h1>x</h1>", "", ""],
            "|E1-S|||||Variation|Size=S",
        ),
        {"E1": ("Blouse", "53159", "p1 p2")},
    ),
    "amazon": (
        table(
            "TemplateType=fptcustom|Version=2021|The top 3 rows are for Amazon.com use only.|||",
            "Product Type|Seller SKU|Product Name|Product Description|Main Image URL|Other Image Url1",
            "feed_product_type|item_sku|item_name|product_description|main_image_url|other_image_url1",
            f"shirt|A-S|Tank|<p>x</p>|{AT}p1.jpg|{AT}p3.jpg",
            delimiter="\t",
        ),
        {"A-S": ("Tank", "shirt", "p1 p3")},
    ),
    "facebook": (
        table(
            ["# Required | A unique content ID", "# Required | A title", "# Required", "# Optional"],
            "id|title|description|image_link|additional_image_link|google_product_category",
            ["F1", "Tee", "x", f"{AT}p1.jpg", f"{AT}p2.jpg,{AT}p3.jpg", "Tops"],
        ),
        {"F1": ("Tee", "Tops", "p1 p2 p3")},
    ),
    "akeneo": (
        table(
            "sku|categories|family|name-en_US|name-de_DE|description-en_US-ecommerce|picture",
            "K1|tops|tees|Tee|Hemd|A tee|images/p1.jpg",
            delimiter=";",
        ),
        {"K1": ("Tee", "tops", "p1")},
    ),
    "wix": (
        table(
            "handleId|fieldType|name|description|productImageUrl|collection|sku",
            "P1|Product|Tee|x|p1.jpg;p2.jpg|Tops|S1",
            "P1|Variant|||||S1-R",
        ),
        {"P1": ("Tee", "Tops", "p1 p2")},
    ),
    "ecwid": (
        table(
            "type|product_internal_id|product_sku|product_name|product_media_main_image_url|"
            "product_media_gallery_image_url_1|product_category_1|product_description",
            f"product|901|E1|Tee|{AT}p1.jpg|{AT}p2.jpg|Tops|x",
            delimiter=";",
        ),
        {"901": ("Tee", "Tops", "p1 p2")},
    ),
}


@pytest.mark.parametrize("shop", SHOPS)
def test_an_export_needs_no_columns(shop, read):
    data, expected = SHOPS[shop]
    found, summary = read(data)
    assert found == expected
    assert len(summary.splitlines()) <= 15


HEADINGS = [
    "Artikelnummer|Bezeichnung|Beschreibung|Kategorie|Unterkategorie|Bild",
    "Art.-Nr.|Artikelbezeichnung|Langtext|Warengruppe|Untergruppe|Bild-URL",
    "Artikel-Nr|Produktname|Produktbeschreibung|Produktgruppe|Untergruppe|Bilddatei",
    "Référence|Désignation|Description|Catégorie|Sous-catégorie|Image",
    "Code article|Libellé|Descriptif|Famille|Sous-famille|Photo",
    "Réf.|Nom du produit|Description longue|Rayon|Sous-rayon|URL image",
    "Referencia|Nombre|Descripción|Categoría|Subcategoría|Imagen",
    "Código|Título|Descripción larga|Familia|Subfamilia|URL de la imagen",
    "Codice|Nome|Descrizione|Categoria|Sottocategoria|Immagine",
    "Cod. art.|Titolo|Descrizione prodotto|Reparto|Sottocategoria|Foto",
    "Artikelnummer|Omschrijving|Lange omschrijving|Categorie|Subcategorie|Afbeelding",
    "Productcode|Productnaam|Beschrijving|Productgroep|Subgroep|Afbeeldingen",
    "Código|Nome|Descrição|Categoria|Subcategoria|Imagem",
    "Kod produktu|Nazwa|Opis|Kategoria|Podkategoria|Zdjęcie",
    "Varenummer|Navn|Beskrivelse|Kategori|Underkategori|Billede",
    "Артикул|Название|Описание|Категория|Подкатегория|Фото",
    "商品コード|商品名|説明|カテゴリ|サブカテゴリ|画像",
    "item_no|name_en|description_en|Category 1|Category 2|Image 1 URL",
]


@pytest.mark.parametrize("heading", HEADINGS)
def test_headings_of_other_languages(heading):
    names = tuple(heading.split("|"))
    fields = ("id", "title", "description", "category", "subcategory", "photos")
    found = resolve_columns({}, Table("t", names, lambda: iter(())), fields)
    assert found.columns == {field: (name,) for field, name in zip(fields, names)}


@pytest.mark.parametrize("name", ["item_no", "category_id", "image_is", "size_xl", "id", "en", "token"])
def test_a_name_that_ends_like_a_language_is_kept(name):
    assert without_language(name) == name


WORDS = st.text(st.characters(categories=["Lu", "Ll"], codec="ascii"), min_size=2, max_size=8).filter(
    lambda word: not fields_named([word])
)


@settings(max_examples=100)
@given(
    above=st.lists(st.lists(WORDS, min_size=1, max_size=6), max_size=3),
    below=st.lists(st.lists(WORDS, min_size=4, max_size=4), min_size=1, max_size=4),
)
def test_the_heading_is_found_below_other_rows(above, below):
    rows = [*above, ["sku", "product_name", "body_html", "image_src"], *below]
    assert heading_row(rows) == len(above)


def test_products_above_a_heading_are_no_titles():
    """A heading at the wrong place costs no product without a word; the table is refused instead."""
    product = ["1", "Tee", "Of cotton", "a.png"]
    heading = ["sku", "product_name", "body_html", "image_src"]
    assert heading_row([*[product] * 4, heading]) == 0
    assert heading_row([["Export of May"], *[product[:2]] * 9, heading, product]) == 10


@pytest.mark.parametrize("joined", ["id,title,photos\n", "\ufeffid,title,photos\n", '\ufeff"id","title","photos"\n'])
def test_headings_of_joined_files_are_no_rows(joined, read):
    found, summary = read(f"id,title,photos\n1,Tee,images/p1.jpg\n{joined}2,Hat,images/p2.jpg\n")
    assert found == {"1": ("Tee", "", "p1"), "2": ("Hat", "", "p2")}
    assert "headings repeated among the rows, left out: 1 (row 3)" in summary


def test_rows_that_office_programs_cut_short(read):
    found, summary = read("id,title,photos,color,size\n1,Tee,images/p1.jpg,red,S\n2,Hat,images/p2.jpg\n")
    assert found["2"] == ("Hat", "", "p2")
    assert "rows with fewer cells than the heading, the last ones read as empty: 1 (row 3)" in summary
    with pytest.raises(UserError, match="row 3: has 2 fields where the heading has 5"):
        read("id,title,photos,color,size\n1,Tee,images/p1.jpg,red,S\n2,Hat\n")


def test_spaces_before_quotation_marks(read):
    assert read('id, title, photos\n1, "Tee, red", images/p1.jpg\n')[0] == {"1": ("Tee, red", "", "p1")}


def test_pictures_of_a_product_that_is_left_out_are_no_other_products(read):
    data = table(
        "Item|ID|Name|split|Image URL",
        f"Product|1|Tee|train|{AT}p1.jpg",
        "Product|2|Hat|nowhere|",
        f"Image|3|||{AT}p2.jpg",
        "Product|4|Cap|train|",
        f"Image|5|||{AT}p3.jpg",
    )
    found, summary = read(data, on_error="skip")
    assert found == {"1": ("Tee", "", "p1"), "4": ("Cap", "", "p3")}
    assert "left out: 2 rows" in summary


def test_rows_are_numbered_where_that_is_asked_for(read):
    data = "name,image\nTee,images/p1.jpg\nHat,images/p2.jpg\n"
    with pytest.raises(UserError, match=r"no column 'id'.*have the rows numbered by --columns id="):
        read(data)
    found, summary = read(data, id=[])
    assert found == {"2": ("Tee", "", "p1"), "3": ("Hat", "", "p2")}
    assert "products have the numbers of their rows as ids" in summary
    with pytest.raises(UserError, match=r"the id is empty .--columns id= numbers the products"):
        read("SKU,name,image\n,Tee,images/p1.jpg\n")


def test_a_column_that_is_empty_in_all_rows_is_replaced(read):
    found, summary = read("id,title,Product Category,Type,photos\n1,Tee,,Tops,images/p1.jpg\n2,Hat,-,,images/p2.jpg\n")
    assert found == {"1": ("Tee", "Tops", "p1"), "2": ("Hat", "", "p2")}
    assert "category from 'Type', as the column that comes first is empty in all rows" in summary


NODE = {"id": "1", "title": "Tee", "productType": "Tops"}
IMAGE = {"url": f"{AT}p1.jpg"}
INTERFACES = {
    "graphql": {"data": {"products": {"edges": [{"node": {**NODE, "images": {"edges": [{"node": IMAGE}]}}}]}}},
    "nodes": {"data": {"products": {"nodes": [{**NODE, "media": {"nodes": [{"preview": {"image": IMAGE}}]}}]}}},
    "strapi": {"data": [{"id": "1", "attributes": {**NODE, "image": {"data": {"id": 4, "attributes": IMAGE}}}}]},
    "elasticsearch": {"hits": {"hits": [{"_id": "1", "_source": {**NODE, "image": IMAGE}}]}},
    "wordpress": [{**NODE, "title": {"rendered": "Tee"}, "images": [IMAGE]}],
    "values by language": [
        {
            "item_id": "1",
            "item_name": [{"language_tag": "en_US", "value": "Tee"}, {"language_tag": "de_DE", "value": "Hemd"}],
            "product_type": [{"value": "Tops"}],
            "main_image_id": "p1",
        }
    ],
    "named categories": [{**NODE, "productType": {"id": 3, "name": "Tops"}, "image": IMAGE}],
    "sizes": [{**NODE, "image": {"small": f"{AT}p2.jpg", "large": f"{AT}p1.jpg"}}],
    "two lists": {"items": [{**NODE, "image": IMAGE}], "filters": [{"label": "red"}]},
    "one product": {**NODE, "images": [IMAGE["url"]]},
}


@pytest.mark.parametrize("interface", INTERFACES)
def test_json_of_interfaces(interface, read):
    assert read(json.dumps(INTERFACES[interface]), "p.json")[0] == {"1": ("Tee", "Tops", "p1")}


def test_a_feed_with_names_of_two_namespaces(read):
    feed = (
        '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><entry>'
        "<id>tag:x,1</id><g:id>1</g:id><title>Shop's tee</title><g:title>Tee</g:title>"
        f"<g:image_link>{AT}p1.jpg</g:image_link></entry></feed>"
    )
    assert read(feed, "p.xml")[0] == {"1": ("Tee", "", "p1")}


def test_what_advice_says(read):
    with pytest.raises(UserError, match=r"nearest is 'images/p1.jpg'; --photo-root 'images' finds photos by"):
        read("id,title,photos\n1,Tee,elsewhere/p1.jpg\n")
    with pytest.raises(UserError, match=r"if this one column should be several, name the character .* by --delimiter"):
        read("id~title~photos\n1~Tee~images/p1.jpg\n")
    with pytest.raises(UserError, match=r"p\.csv: there is no product, as no rows follow the heading"):
        read("id,title,photos\n")
    with pytest.raises(UserError, match="with a table in it; open it in Excel and save it"):
        read("<html><body><table><tr><td>id</td></tr></table></body></html>", "p.xls")
    assert "--category-levels 1 2 splits at '/'" in read("id,title,category,photos\n1,Tee,A/B,images/p1.jpg\n")[1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ",\n", "\n\n"])
def test_lines_of_json(end, read):
    lines = [json.dumps({"id": n, "title": "Tee", "photos": f"images/p{n}.jpg"}) for n in (1, 2)]
    expected = {"1": ("Tee", "", "p1"), "2": ("Tee", "", "p2")}
    assert read(end.join(lines) + end, "p.jsonl", on_error="skip")[0] == expected
    with pytest.raises(UserError, match=r"p\.jsonl: no line of it is a JSON object"):
        read(json.dumps(json.loads(lines[0]), indent=1), "p.jsonl", on_error="skip")


def test_text_as_formulas_and_columns_without_names(read):
    data = 'id,,title,photos\n"=""001""",x,"a ""="" b",images/p1.jpg\n'
    found, summary = read(data)
    assert found == {"001": ('a "=" b', "", "p1")} and "columns without a name, left out: 1" in summary


def test_a_name_with_commas_can_be_named(read):
    data = table(["id", "Names (a,b)", "label (a,b)", "photos"], ["1", "x", "Tee", "images/p1.jpg"])
    assert read(data, title=["label (a", "b)"])[0] == {"1": ("Tee", "", "p1")}


def test_the_summary_has_room_for_all(read):
    data = table(
        *["Export"] * 12,
        "SKU||Name|Body|Type|Note|Item|Image|Image Url|EAN",
        "1||<b>Hat</b>|NULL|Wear > Hats|x|Product|images/p1.jpg,images/p1.jpg|images/p2.jpg|",
        "1||||wear > Hats|||images/P3.jpg||",
        "1||||||||",
        "|x|||||Variant|||",
        "||||||||x|",
        "SKU||Name|Body|Type|Note|Item|Image|Image Url|EAN",
        "2||Cap|-|Wear > hats|x|Product|none.jpg||",
        "3||Tie|-|wear > Hats|x|Product|images/p4.jpg||",
        delimiter=";",
    ).encode("cp1252")
    found, summary = read("Größe\n".encode("cp1252") + data, on_error="skip")
    assert set(found) == {"1", "3"}
    lines = summary.splitlines()
    assert len(lines) <= 15 and not any(line.endswith(" ...") for line in lines)
    for part in (
        "above the heading", "read as cp1252", "semicolon", "without a name", "paths split", "several spellings",
        "cleaned of markup: 1", "read as empty: 3", "repeated photos, kept once: 1", "another spelling",
        "further rows of a product: 2",
        "variants and pictures, taken to the product above: 1", "headings repeated", "left out: 1 photo",
    ):  # fmt: skip
        assert part in summary, part


def test_photos_called_like_the_id_in_any_folder(read, tmp_path):
    (tmp_path / "shop" / "images" / "010").mkdir()
    (tmp_path / "shop" / "images" / "010" / "0108.jpg").write_bytes(b"photo")
    catalog = Catalog.open(tmp_path / "out") if read("article_id,prod_name\n0108,Top\n")[0] else None
    assert [photo.uri for photo in catalog.products[0].photos] == ["photos/images/010/0108.jpg"]
    with pytest.raises(UserError, match=r"photo 'images/0109\.jpg' does not exist"):
        read("article_id,prod_name\n0109,Top\n")


def test_ids_of_a_file_that_is_made_for_an_import(read):
    data = "ID,SKU,Name,Images\n,tee,Tee,images/p1.jpg\n-,hat,Hat,images/p2.jpg\n,bad,Bad\n"
    found, summary = read(data, on_error="skip")
    assert found == {"tee": ("Tee", "", "p1"), "hat": ("Hat", "", "p2")}
    assert "id from 'SKU'" in summary and "id could also be 'ID'" in summary and "left out: 1 row" in summary
    with pytest.raises(UserError, match="row 2: the id is empty"):
        read(data, id=["ID"])
