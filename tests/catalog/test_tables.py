"""Tables in any usual format, encoding, delimiter and heading give the same products."""

import csv
import gzip
import io
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.columns import resolve_columns
from kaleido.catalog.headings import SYNONYMS, plain_name
from kaleido.catalog.importing import ImportOptions, import_table
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.rejects import Rejects
from kaleido.catalog.table import Table, TableOptions, read_table
from kaleido.catalog.table_file import TableFile
from kaleido.errors import UserError

ROWS = [
    {"id": "1", "title": 'Kleid "Zoé", rot', "description": "Größe M; 39,90 €"},
    {"id": "2", "title": "Hut", "description": "Zwei\nZeilen | mit Strich"},
]


def table_of(data, name="products.csv", **options):
    return read_table(TableFile(name, lambda: io.BytesIO(data)), Rejects(), TableOptions(**options))


def values_of(*arguments, **options):
    return [dict(row.values) for row in table_of(*arguments, **options)]


def as_csv(rows, delimiter=",", **options):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, **options)
    writer.writerows([list(rows[0]), *(row.values() for row in rows)])
    return text.getvalue()


def as_xlsx(rows):
    """The smallest workbook that holds rows of texts."""
    cell = '<c t="inlineStr"><is><t xml:space="preserve">{}</t></is></c>'
    escape = str.maketrans({"&": "&amp;", "<": "&lt;"})
    lines = ["<row>" + "".join(cell.format(text.translate(escape)) for text in row) + "</row>" for row in rows]
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types"/>')
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="s"/></sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="s" Type="{office}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{"".join(lines)}</sheetData></worksheet>',
        )
    return buffer.getvalue()


def as_ods(rows):
    """The smallest OpenDocument spreadsheet that holds rows of texts."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    escape = str.maketrans({"&": "&amp;", "<": "&lt;", "\n": "</text:p><text:p>"})
    lines = ["".join(cell.format(text.translate(escape)) for text in row) for row in rows]
    urn = "urn:oasis:names:tc:opendocument:xmlns:"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{urn}office:1.0" xmlns:table="{urn}table:1.0" '
            f'xmlns:text="{urn}text:1.0"><office:body><office:spreadsheet><table:table table:name="S">'
            + "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
            + "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    return buffer.getvalue()


def as_xls(rows):
    """A workbook as Excel wrote it until 2003."""
    book = pytest.importorskip("xlwt").Workbook()
    sheet = book.add_sheet("S")
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            sheet.write(row, column, text)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "written"), [(".xlsx", as_xlsx), (".ods", as_ods), (".xls", as_xls)])
def test_spreadsheets(suffix, written):
    table = [list(ROWS[0]), *(row.values() for row in ROWS)]
    for above in ([], [["Export of 2024"]], [["Stock", "All"], ["", ""]]):
        sheet = written([*above, *table])
        for name, data in (("p" + suffix, sheet), ("p.csv", sheet), (f"p{suffix}.gz", gzip.compress(sheet))):
            assert values_of(data, name) == ROWS, (name, above)


def test_formats():
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    sheet = as_xlsx([list(ROWS[0]), *(row.values() for row in ROWS)])
    written = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), written)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("__MACOSX/x.csv", "x")
        archive.writestr("export/products.csv", as_csv(ROWS))
    feed = "".join(
        f"<item><g:id>{row['id']}</g:id><title><![CDATA[{row['title']}]]></title><g:description>{row['description']}"
        "</g:description></item>"
        for row in ROWS
    )
    rss = f'<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>{feed}</channel></rss>'
    files = {
        "p.csv": as_csv(ROWS).encode(),
        "p.csv.gz": gzip.compress(as_csv(ROWS).encode()),
        "p.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
        "p.json": json.dumps(ROWS, indent=1).encode(),
        "lines.json": "\n".join(map(json.dumps, ROWS)).encode(),
        "nested.json": json.dumps({"total": 2, "data": {"products": ROWS, "tags": ["a"]}}).encode(),
        "index.json": json.dumps({row["id"]: {k: row[k] for k in ("title", "description")} for row in ROWS}).encode(),
        "columns.json": json.dumps({k: {str(n): row[k] for n, row in enumerate(ROWS)} for k in ROWS[0]}).encode(),
        "lists.json": json.dumps({k: [row[k] for row in ROWS] for k in ROWS[0]}).encode(),
        "p.xlsx": sheet,
        "renamed.csv": sheet,
        "p.xlsx.gz": gzip.compress(sheet),
        "p.parquet": written.getvalue(),
        "p.xml": rss.encode(),
        "p.xml.gz": gzip.compress(rss.encode()),
    }  # fmt: skip
    for name, data in files.items():
        assert values_of(data, name) == ROWS, name
    assert "looks like an Excel file" in table_of(sheet, "renamed.csv").notes[0]


def test_a_zip_with_one_table(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"photo")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("export/products.csv", "id,title,photos\n1,Hat,a.jpg\n")
    unchecked = PhotoOptions(check_photos=False)
    found = import_table(tmp_path, "export.zip", tmp_path / "out", photo_options=unchecked)
    assert (found.products, found.photos) == (1, 1)
    with zipfile.ZipFile(tmp_path / "export.zip", "a") as archive:
        archive.writestr("export/more.csv", "id,title,photos\n")
    with pytest.raises(UserError, match="is a zip with 2 tables"):
        import_table(tmp_path, "export.zip", tmp_path / "other", photo_options=unchecked)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n"])
def test_encodings_and_delimiters(encoding, delimiter, first):
    text = first.format(delimiter) + as_csv(ROWS, delimiter)
    assert values_of(text.encode(encoding)) == ROWS


ENCODED = {
    "cp1250": "Sukienka żółta na lato, świeży krój, bawełniana",
    "iso8859_2": "Sukienka żółta na lato, świeży krój, bawełniana",
    "cp1251": "Платье красное летнее хлопковое",
    "cp1253": "Κόκκινο φόρεμα για το καλοκαίρι",
    "cp1254": "Kırmızı elbise çiçekli, yünlü şapka, ığdır",
    "cp932": "赤いドレス コットン",
    "gb18030": "红色连衣裙 棉质",
    "mac_roman": "Robe d’été légère, très chaude",
    "cp850": "Größe für Mädchen",
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_encodings_that_are_found_or_given(encoding):
    data = f"id,title,description\n1,Hat,{ENCODED[encoding]!r}\n2,Hat,{ENCODED[encoding]!r}\n".encode(encoding)
    expected = [["1", "Hat"], ["2", "Hat"]]
    for options in ({}, {"encoding": encoding}):
        rows = values_of(data.replace(b"'", b'"'), **options)
        assert [[row["id"], row["title"]] for row in rows] == expected
        assert rows[0]["description"] == ENCODED[encoding].replace("'", '"')


def test_an_encoding_that_is_not_certain_is_refused():
    with pytest.raises(UserError, match="its encoding is not certain; name it by --encoding") as error:
        table_of("id,title\n1,שמלה אדומה\n".encode("cp1255"))
    assert "\n" not in str(error.value)
    assert values_of("id,title\n1,שמלה\n".encode("cp1255"), encoding="cp1255")[0]["title"] == "שמלה"
    with pytest.raises(UserError, match="--encoding must be the name of an encoding"):
        table_of(b"id,title\n1,x\n", encoding="klingon")
    with pytest.raises(UserError, match="--delimiter must be one character"):
        table_of(b"id,title\n1,x\n", delimiter="::")


CELL = st.text(st.characters(codec="cp1252", exclude_categories=["C"]), max_size=12).map(str.strip)


@settings(max_examples=150)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL).filter(any), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_every_cell_is_read_as_it_was_written(rows, delimiter, encoding, end, quoting):
    written = [dict(zip(("id", "title", "description"), row)) for row in rows]
    text = as_csv(written, delimiter, lineterminator=end, quoting=quoting)
    assert values_of(text.encode(encoding), delimiter=delimiter) == written


WORD = st.text(st.characters(categories=["Ll", "Lu"], codec="ascii"), min_size=3, max_size=9)


@settings(max_examples=100)
@given(
    rows=st.lists(st.lists(WORD, min_size=4, max_size=4), min_size=2, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
)
def test_the_delimiter_is_found(rows, delimiter):
    written = [dict(zip(("id", "title", "brand", "photos"), row)) for row in rows]
    assert values_of(as_csv(written, delimiter).encode()) == written


@given(field=st.sampled_from(sorted(SYNONYMS)), data=st.data())
def test_headings_match_in_any_spelling(field, data):
    name = data.draw(st.sampled_from(SYNONYMS[field].split()))
    between = data.draw(st.lists(st.sampled_from(["", "_", "-", " "]), min_size=len(name), max_size=len(name)))
    spelled = "".join(
        (letter.upper() if data.draw(st.booleans()) else letter) + sign for letter, sign in zip(name, between)
    )
    heading = spelled.strip()
    table = Table("t", ("zzz", heading), lambda: iter(()))
    assert plain_name(heading) == name
    assert resolve_columns({}, table, (field,))[field] == (heading,)


def test_what_is_ambiguous_follows_an_order_and_is_said():
    table = Table("t", ("SKU", "ID", "Product Name", "image 2", "Image_1", "Vendor"), lambda: iter(()))
    found = resolve_columns({}, table, ("id", "title", "photos", "category"))
    assert found.columns == {
        "id": ("ID",),
        "title": ("Product Name",),
        "photos": ("image 2", "Image_1"),
        "category": (),
    }
    lines = found.describe(table.columns)
    assert "no column for category" in lines[0] and "'SKU', 'Vendor'" not in lines[1] and "SKU, Vendor" in lines[1]
    assert "id could also be 'SKU'" in lines[2]
    assert resolve_columns({"id": ["sku"]}, table, ("id",))["id"] == ("SKU",)


def test_repeated_headings():
    table = table_of(b"id,title,image,image,note,note\n1,Hat,a.jpg,b.jpg,x,y\n")
    assert [dict(row.values) for row in table] == [
        {"id": "1", "title": "Hat", "image": "a.jpg", "image (2)": "b.jpg", "note": "x", "note (2)": "y"}
    ]
    assert resolve_columns({}, table, ("photos",))["photos"] == ("image", "image (2)")


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "p.csv", "is empty"),
        (b" \n\n", "p.csv", "is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "p.csv", r"looks like a web page \(HTML\)"),
        (b"%PDF-1.4", "p.csv", "looks like a PDF"),
        (b"PK\x03\x04 cut", "p.csv", "looks like an Excel file or another zip, and is damaged"),
        (b"PAR1 cut", "p.parquet", "looks like a Parquet file, and is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 cut", "p.csv", "looks like an Excel file, and cannot be read"),
        (b"\x1f\x8b cut", "p.csv.gz", "is damaged"),
        (b'<?xml version="1.0"?><a><b/></a>', "p.xml", "not like a product feed"),
        (b'<?xml version="1.0"?><rss><item>', "p.xml", "looks like XML, and is damaged"),
        (b"[1, 2]", "p.json", "holds no list of objects"),
        (b'[{"id": 1}', "p.json", "is not JSON: "),
        (b'{"x.jpg": "A hat"}', "p.json", "holds no list of products, but one object whose keys are such as 'x.jpg'"),
        (b'{"a": [{"id": 1}], "b": [{"id": 2}]}', "p.json", r"holds 2 lists of objects \(a, b\)"),
        (b"id,title,photos\n1,x\n2,y\n3,z\n", "p.csv", "all rows have 2 cells where the heading has 3"),
    ],
)
def test_a_fault_of_the_whole_file_is_told_once(data, name, message):
    with pytest.raises(UserError, match=message) as error:
        list(table_of(data, name))
    assert "\n" not in str(error.value)


ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><rss><item><id>&b;</id></item></rss>'
)


def test_bombs_are_refused():
    packed = gzip.compress(b"id,title\n" + b"1,x\n" * (1 << 25))
    bombs = {"p.xml": (ENTITIES, "defines entities"), "p.csv.gz": (packed, "expands to more than")}
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as member:
            for _ in range(80):
                member.write(b" " * (1 << 20))
    bombs["p.xlsx"] = buffer.getvalue(), "expands to more than"
    for name, (data, message) in bombs.items():
        with pytest.raises(UserError, match=message):
            list(table_of(data, name))


def test_a_sheet_that_claims_billions_of_cells_is_refused():
    sheet = as_xlsx([["id", "title"], ["1", "x"]])
    with zipfile.ZipFile(io.BytesIO(sheet)) as archive, zipfile.ZipFile(buffer := io.BytesIO(), "w") as far:
        for name in archive.namelist():
            text = archive.read(name).decode()
            row = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'
            far.writestr(name, text.replace("</sheetData>", row + "</sheetData>"))
    with pytest.raises(UserError, match="cannot be read"):
        list(table_of(buffer.getvalue(), "p.xlsx"))


def test_a_cell_of_nine_megabytes():
    long = "word " * 1_800_000
    (row,) = values_of(as_csv([{"id": "1", "title": "x", "description": long}]).encode())
    assert row["description"] == long.strip()


@pytest.fixture
def shop(tmp_path):
    from PIL import Image

    folder = tmp_path / "shop"
    folder.mkdir()
    Image.new("RGB", (30, 40), "red").save(folder / "a.png")
    return folder


def test_edited_tables_and_photos_are_noticed(shop, tmp_path):
    table = shop / "products.csv"
    table.write_text("id,title,photos\n1,Hat,a.png\n")
    out = tmp_path / "out"
    assert import_table(shop, "products.csv", out).products == 1
    assert import_table(shop, "products.csv", out).already_there
    table.touch()
    assert import_table(shop, "products.csv", out).already_there
    table.write_text("id,title,photos\n1,Cap,a.png\n")
    with pytest.raises(UserError, match=r"edited since: the table: as many bytes, other content; .*--overwrite"):
        import_table(shop, "products.csv", out)
    assert import_table(shop, "products.csv", out, options=ImportOptions(overwrite=True)).products == 1
    (shop / "b.png").write_bytes(b"more")
    with pytest.raises(UserError, match="the photos: 1 files then, 2 now"):
        import_table(shop, "products.csv", out)


def test_missing_values_are_empty_unless_overruled(shop, tmp_path):
    (shop / "products.csv").write_text("id,title,photos,category,brand\n1,Hat,a.png,N/A,None\n2,Cap,a.png,-,NULL\n")
    products = Catalog.from_table(shop / "products.csv", tmp_path / "a").products
    assert [(one.category, dict(one.attributes)) for one in products] == [("", {}), ("", {})]
    products = Catalog.from_table(shop / "products.csv", tmp_path / "b", empty=["null", "-"]).products
    assert [(one.category, dict(one.attributes)) for one in products] == [("N/A", {"brand": "None"}), ("", {})]


def test_spellings_of_a_class_are_reported_or_merged(shop, tmp_path):
    names = ["T-Shirts", "t-shirts", "T-Shirts ", "Hats", "HATS", '"Hats\nand caps"']
    rows = "".join(f"{n},Hat {n},a.png,{name}\n" for n, name in enumerate(names))
    (shop / "products.csv").write_text("id,title,photos,category\n" + rows)
    found = import_table(shop, "products.csv", tmp_path / "a")
    assert "'T-Shirts' / 't-shirts'; 'Hats' / 'HATS'; --merge-labels" in str(found)
    products = Catalog.from_table(shop / "products.csv", tmp_path / "b", merge_labels=True).products
    assert [one.category for one in products] == ["T-Shirts"] * 3 + ["Hats", "Hats", "Hats and caps"]


def test_category_paths_are_split(shop, tmp_path):
    (shop / "products.csv").write_text(
        "id,title,photos,Categories\n1,Hat,a.png,Wear > Hats > Caps\n"
        '2,Belt,a.png,"Wear, Wear > Belts"\n3,Bag,a.png,Bags\n'
    )
    products = Catalog.from_table(shop / "products.csv", tmp_path / "a").products
    assert [(one.category, one.subcategory) for one in products] == [("Wear", "Hats"), ("Wear", "Belts"), ("Bags", "")]
    products = Catalog.from_table(shop / "products.csv", tmp_path / "b", category_levels=[2, 3]).products
    assert [(one.category, one.subcategory) for one in products] == [("Hats", "Caps"), ("Belts", ""), ("", "")]


def test_the_summary_is_short_and_says_what_comes_next(shop, tmp_path):
    (shop / "products.csv").write_text(
        "SKU;Name;Body;Type;Note;Ansicht;Image\n1;<b>Hat</b>;NULL;Wear > Hats;x;;a.png|a.png\n"
        "2;Cap;Red;wear > Caps;;;b.png\n"
    )
    options = ImportOptions(on_error="skip")
    lines = str(import_table(shop, "products.csv", tmp_path / "out", options=options)).splitlines()
    assert len(lines) <= 15 and lines[-1] == f"next: kaleido catalog show {tmp_path / 'out'}"
    said = "\n".join(lines)
    for part in (
        "1 product, 1 photo", "id from 'SKU'", "no column for subcategory, split", "kept as attributes: Note, Ansicht",
        "texts cleaned of markup: 1", "cells read as empty: 1 (NULL)", "category paths split", "left out: 1 ",
        "semicolon",
    ):  # fmt: skip
        assert part in said, part


def test_a_title_above_the_heading_and_lines_in_quotation_marks():
    rows = [{"id": "1", "title": "Tee, red"}, {"id": "2", "title": "Hat"}]
    assert values_of(b'Products of 2024\n\nid,title\n1,"Tee, red"\n2,Hat\n') == rows
    table = table_of(b'"id,title"\n"1,""Tee, red"""\n"2,Hat"\n')
    assert [(row.number, dict(row.values)) for row in table] == [(2, rows[0]), (3, rows[1])]


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Body (HTML)", "body"), ("g:image_link", "imagelink"), ("image (2)", "image2"), ("Name *", "name"), ("(x)", "x")],
)
def test_plain_names(name, plain):
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nested.xml", b'<?xml version="1.0"?><r><item>' + b"<a>" * 100_000),
        ("repeated.xml", b'<?xml version="1.0"?><r><item><id>1</id>' + b"<a>1</a>" * 50_000 + b"</item></r>"),
        ("nested.json", b"[" * 1_000_000),
        ("columns.csv", b",".join(b"c%d" % n for n in range(50_000)) + b"\n"),
        ("repeated.csv", b",".join([b"c"] * 50_000) + b"\n"),
    ],
)
def test_hostile_tables_take_no_longer_by_their_form(name, data):
    try:  # seconds; if the time were quadratic, minutes
        list(table_of(data, name))
    except UserError as error:
        assert "\n" not in str(error)
