"""Damaged catalogues of others, and what imports make of them: no row may be lost."""

import io
import json
import random
import re
import zipfile
from abc import ABC, abstractmethod
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
from mutations import NUMBERS, mutate, mutate_lines

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.fashion_gen import import_fashion_gen
from kaleido.catalog.fashion_small import import_fashion_small
from kaleido.catalog.files import write_catalog
from kaleido.catalog.folder import import_folder
from kaleido.catalog.imported import Imported
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.rejects import Rejects


class Target(ABC):
    """Something that reads what users give."""

    @abstractmethod
    def make(self, rng: random.Random) -> bytes:
        """One damaged input."""

    @abstractmethod
    def read(self, data: bytes, folder: Path) -> None:
        """Reads an input in an empty folder; a `UserError` says that it was refused."""


TABLE_TOKENS = [
    b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"../", b"/etc/passwd", b"|",
    b";", b"{", b"}", b"[", b"]", b"null", b"NaN", b"1e999", b"-1", b"\\u0000", b"\\ud800",
    b"true", b'"id"', b":", b"9" * 5000,
    b"x" * 200_000, b"[" * 5000, "é\u2028".encode(), b"train", b"a.png", b"images",
]  # fmt: skip


UNCHECKED = PhotoOptions(separators="", check_photos=False)
"""Files that need not be photos, one a cell."""


def check_nothing_is_lost(imported: Imported, rejects: Rejects, rows: dict[int, int]) -> None:
    """Every row is in the products or among the rejects, once, or was counted as repeated, without a photo or above
    the heading.

    Args:
        imported: The products.
        rejects: The rows left out.
        rows: Photos of each row, by its number.
    """
    left_out = [reject.row for reject in rejects.rows if not reject.photo]
    assert len(set(left_out)) == len(left_out), "a row was rejected twice"
    assert set(left_out) <= set(rows), "a row was rejected that there is not"
    expected = sum(count for row, count in rows.items() if row not in left_out)
    photos = sum(len(product.photos) for product in imported.products)
    assert photos <= expected, "a photo was made up"
    counts = imported.notes.counts()
    told = ("repeated photos, kept once", "rows without a photo", "headings repeated among the rows, left out")
    merged = sum(counts.get(what, 0) for what in told)
    bad = sum(1 for reject in rejects.rows if reject.photo)
    assert photos + merged + bad + rows_above(imported) >= expected, "a row was lost"


def rows_above(imported: Imported) -> int:
    """Counts the rows that the import says it has left out above the heading; the first is where one is looked for."""
    told = [line for line in imported.notes.lines if line.startswith("left out above the heading: ")]
    more = sum(int(found[1]) for line in told if (found := re.search(r" and (\d+) more rows$", line)))
    # A row that is told begins and ends with a quotation mark.
    return more + sum(1 + line.count("', '") for line in told)


def open_again(imported: Imported, folder: Path) -> None:
    """Writes the catalogue, opens it and looks at every photo."""
    write_catalog(folder / "catalog", "fuzz", "folder", imported.sources, imported.products, {})
    catalog = Catalog.open(folder / "catalog")
    assert {product.id for product in catalog.products} == {product.id for product in imported.products}
    assert catalog.fingerprint
    for product in catalog.products:
        for photo in product.photos:
            catalog.read(photo.uri)


class Csv(Target):
    """A table beside a folder of photos."""

    table = b"id,title,description,split,photos,price\n" + b"".join(
        b'%d,Dress %d,"Long, of ""silk""",train,%s,9\n' % (n, n, (b"a.png", b"b.png")[n % 2]) for n in range(8)
    )

    def make(self, rng):
        return mutate_lines(self.table.replace(b'"', b"") if rng.random() < 0.5 else self.table, rng, TABLE_TOKENS)

    def read(self, data, folder):
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(b"x")
        (folder / "t.csv").write_bytes(data)
        rejects = Rejects("skip")
        imported = import_folder(folder, "t.csv", rejects, photo_options=UNCHECKED)
        if b'"' not in data:  # else lines are not rows
            check_nothing_is_lost(imported, rejects, plain_rows(data))
        open_again(imported, folder)


def plain_rows(data: bytes) -> dict[int, int]:
    """The numbers of the rows of a table without quotes, of one photo each."""
    lines = text_lines(data)
    filled = [number for number, line in enumerate(lines, start=1) if line.replace(",", "").strip()]
    first = next(number for number, line in enumerate(lines, start=1) if line)
    return {number: 1 for number in filled if number > first}


def text_lines(data: bytes) -> list[str]:
    """Lines of a file with any line end, in whatever encoding: what is beyond ASCII is of no interest."""
    return re.split("\r\n|\r|\n", data.decode("utf-8", "replace").removeprefix("\ufeff"))


class Jsonl(Target):
    """The same in JSON."""

    table = b"".join(
        b'{"id": "%d", "title": "Dress", "photos": ["a.png", "b.png"], "size": {"s": [1, null]}}\n' % n
        for n in range(6)
    )

    def make(self, rng):
        return mutate_lines(self.table, rng, TABLE_TOKENS)

    def read(self, data, folder):
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(b"x")
        (folder / "t.jsonl").write_bytes(data)
        rejects = Rejects("skip")
        imported = import_folder(folder, "t.jsonl", rejects, photo_options=UNCHECKED)
        left_out = {reject.row for reject in rejects.rows if not reject.photo}
        rows = {}
        for number, line in enumerate(text_lines(data), start=1):
            if line.strip():
                cells = {} if number in left_out else json.loads(line.rstrip().removesuffix(","))
                rows[number] = sum(_photos(cell) for name, cell in cells.items() if _is_heading_of_photos(name))
        check_nothing_is_lost(imported, rejects, rows)
        open_again(imported, folder)


def _is_heading_of_photos(name: str) -> bool:
    return re.sub("[^a-z\ufffd]", "", name.lower()) in ("photo", "photos")


def _photos(cell: object) -> int:
    return sum(1 for path in cell if path.strip()) if isinstance(cell, list) else 1


class Zip(Target):
    """A zip with a table and photos."""

    names = ("a.png", "b.png", "../c.png", "/d.png", "images/", "e\\f.png", "é.png", "x" * 300)

    def make(self, rng):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            names = rng.sample(self.names, 4)
            rows = "".join(f"{n},Dress,{name}\n" for n, name in enumerate([*names, "a.png"]))
            file.writestr("t.csv", "id,title,photos\n" + rows)
            for name in names:
                info = zipfile.ZipInfo(name)
                info.external_attr = rng.choice((0, 0, 0o120777 << 16, 0o040755 << 16))
                info.compress_type = rng.choice((0, 8, 12, 14))
                file.writestr(info, b"x" * rng.choice((0, 9, 900)))
        return mutate(buffer.getvalue(), rng, [*NUMBERS, b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"\x09\0"])

    def read(self, data, folder):
        (folder / "s.zip").write_bytes(data)
        open_again(import_folder(folder / "s.zip", "t.csv", Rejects("skip"), photo_options=UNCHECKED), folder)


class FashionSmall(Target):
    """Its folder, whose names of products have commas without quotes."""

    table = b"id,gender,masterCategory,subCategory,productDisplayName\n" + b"".join(
        b"%d,Men,Apparel,Topwear,Shirt, blue, %d\n" % (n, n) for n in range(6)
    )

    def make(self, rng):
        return mutate_lines(self.table, rng, TABLE_TOKENS)

    def read(self, data, folder):
        (folder / "images").mkdir()
        for number in range(6):
            (folder / "images" / f"{number}.jpg").write_bytes(b"x")
        (folder / "styles.csv").write_bytes(data)
        rejects = Rejects("skip")
        imported = import_fashion_small({"": folder}, rejects)
        if b'"' not in data:
            check_nothing_is_lost(imported, rejects, plain_rows(data))
        open_again(imported, folder)


class FashionGen(Target):
    """Its HDF5 file."""

    columns = ("productID", "name", "description", "category", "subcategory", "pose", "brand")

    def make(self, rng):
        import h5py

        rows = 5
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["input_image"] = np.zeros((rows, 6, 5, 3), np.uint8)
            for name in self.columns:
                file[f"input_{name}"] = np.array([f"{n % 3}".encode() for n in range(rows)], "S9")[:, None]
            if rng.random() < 0.5:
                name = f"input_{rng.choice(['image', *self.columns])}"
                del file[name]
                shape = rng.choice(
                    ((), (0,), (rows,), (rows, 1), (rows, 2), (rows - 1, 1), (rows, 6, 5, 3), (rows, 2, 2, 3))
                )
                dtype = rng.choice(("u1", "i4", "f4", "S3", "S1", "c8", "?", "V4", h5py.string_dtype(), h5py.ref_dtype))
                file.create_dataset(name, shape, dtype)
        data = buffer.getvalue()
        return mutate(data, rng) if rng.random() < 0.7 else data

    def read(self, data, folder):
        (folder / "train.h5").write_bytes(data)
        rejects = Rejects("skip")
        with redirect_stderr(io.StringIO()):
            imported = import_fashion_gen({"train": folder / "train.h5"}, rejects)
        rows = {row: 1 for row in range(len(imported.sources["train"].column("input_image")))}
        check_nothing_is_lost(imported, rejects, rows)
        open_again(imported, folder)
