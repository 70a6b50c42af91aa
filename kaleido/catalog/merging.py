"""Products of rows: a product may have several rows, with a photo each, more or none."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kaleido.catalog.notes import Notes
from kaleido.catalog.photos import Photos, Reference
from kaleido.catalog.product import SPLITS, Photo, Product
from kaleido.catalog.rejects import Rejects, RowError
from kaleido.catalog.row_reader import FieldRow, RowReader
from kaleido.catalog.table import Row, Table

_TEXTS = ("title", "description")

_CHUNK, _CHUNK_SIZE = 1024, 1 << 22
"""Rows whose photos are found and looked at together, and characters of their cells after which no more are taken."""


@dataclass(slots=True)
class RowProduct:
    """Collects the texts, labels and photos of the rows of one product.

    Attributes:
        number: Number of its first row.
        fields: Text by field: of the first row that has any.
        attributes: Text by column, likewise.
        photos: Uris of photos in the order of the rows, each with the number of the first row that names it.
        without: Numbers of the rows without a photo.
    """

    number: int
    fields: dict[str, str]
    attributes: dict[str, str]
    photos: dict[str, int] = field(default_factory=dict)
    without: list[int] = field(default_factory=list)


def merge_rows(
    table: Table, reader: RowReader, photos: Photos, rejects: Rejects, notes: Notes, listing: bool = False
) -> list[RowProduct]:
    """Merges the rows of each product; the same for imports and for lists of photos.

    Rows with the same id are one product. Later rows inherit what they leave empty, and fill in what was empty; a
    photo that is repeated counts once, and a row without one adds none. A row of nothing but photos belongs to the
    product of the row above it. A photo that cannot be used is rejected alone; a product without any that can be used
    is left out. What was merged or left out is counted.

    Args:
        table: Rows to read.
        reader: Gives the fields of a row.
        photos: Finds the photos of rows.
        rejects: Collects rows and photos that cannot be used.
        notes: Counts what was merged and left out.
        listing: Whether ids may be missing, and rows with one id and different texts are different products; otherwise
            such rows are rejected.

    Returns:
        Products with at least one photo, in the order of their first rows.
    """
    merging = _Merging(rejects, notes, table.file, photos.place, listing)
    for rows in _chunks(table):
        read = [_read(reader, row) for row in rows]
        for row, fields, found in zip(rows, read, photos.of_rows(read), strict=True):
            with rejects.row(table.file, row.number):
                if isinstance(found, RowError) or isinstance(fields, RowError):
                    raise fields if isinstance(fields, RowError) else found
                merging.add(fields, found)
    return merging.finished()


def products_of_rows(table: Table, reader: RowReader, photos: Photos, rejects: Rejects, notes: Notes) -> list[Product]:
    """Makes products of a table's rows, as `folder.products_of_table` describes; arguments as of `merge_rows`."""
    merged = merge_rows(table, reader, photos, rejects, notes)
    merged.reverse()
    products = []
    while merged:  # the rows of a large table are given up as their products are made
        one = merged.pop()
        if not any(one.fields[name] for name in _TEXTS):
            for number in dict.fromkeys(one.photos.values()):
                rejects.add(table.file, number, f"product {one.fields['id']!r} has neither a title nor a description")
            continue
        of_product = tuple(Photo(f"{one.fields['id']}-{n}", uri) for n, uri in enumerate(one.photos, start=1))
        products.append(Product(**one.fields, photos=of_product, attributes=one.attributes))
    return products


class _Merging:
    def __init__(self, rejects: Rejects, notes: Notes, file: str, place: str, listing: bool):
        self._rejects = rejects
        self._notes = notes
        self._file = file
        self._place = place
        self._listing = listing
        self._products: dict[object, RowProduct] = {}
        self._last: RowProduct | None = None

    def add(self, row: FieldRow, photos: Sequence[Reference]) -> None:
        """Adds a row to its product; raises `RowError` if it cannot be used."""
        product = self._product_of(row, bool(photos))
        for reference in photos:
            if reference.problem:
                self._rejects.add(self._file, row.number, reference.problem, reference.text)
            elif reference.uri in product.photos:
                self._notes.count("repeated photos, kept once", f"row {row.number}: {reference.text}")
            else:
                product.photos[reference.uri] = row.number
        if not photos:
            product.without.append(row.number)
        if row.number != product.number:
            self._notes.count("further rows of a product", f"row {row.number}")
        self._last = product

    def finished(self) -> list[RowProduct]:
        """Returns the products with photos, and rejects the rows of the others."""
        products = []
        for product in self._products.values():
            if product.photos:
                products.append(product)
                if product.without:
                    self._notes.count("rows without a photo", f"row {product.without[0]}", len(product.without))
                continue
            for number in product.without:
                self._rejects.add(self._file, number, f"no photo in {self._place}")
            self._notes.count("products left out, without a usable photo", product.fields.get("id", ""))
        return products

    def _product_of(self, row: FieldRow, has_photos: bool) -> RowProduct:
        """Finds the product of a row and completes it, or makes a new one."""
        fields = row.fields
        if (split := fields.get("split")) and split not in SPLITS:
            raise RowError(f"the split must be one of {', '.join(SPLITS)}. Received: {split!r}")
        key: object = fields.get("id")
        if not key:
            if has_photos and self._last and self._last.fields.get("id") and not any(fields.values()):
                self._notes.count("rows of photos alone, taken to the product above", f"row {row.number}")
                return self._last
            if not self._listing:
                raise RowError("the id is empty")
            key = row.number
        known = self._products.get(key)
        if known and (other := _difference(known.fields, fields)):
            if not self._listing:
                raise RowError(f"product {key!r} is in an earlier row with another {other}")
            key = (key, *(fields[name] or known.fields[name] for name in _TEXTS))
            known = self._products.get(key)
        if known is None:
            return self._products.setdefault(key, RowProduct(row.number, fields, row.attributes))
        for texts, more in ((known.fields, fields), (known.attributes, row.attributes)):
            for name, value in more.items():
                if not texts.get(name):
                    texts[name] = value
        return known


def _difference(known: Mapping[str, str], more: Mapping[str, str]) -> str:
    """Names the first field of which both say something, and not the same; empty if there is none."""
    return next((name for name, value in more.items() if value and known[name] not in ("", value)), "")


def _read(reader: RowReader, row: Row) -> FieldRow | RowError:
    try:
        return reader.read(row)
    except RowError as error:
        return error


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(map(len, row.values.values()))
        if len(chunk) == _CHUNK or size > _CHUNK_SIZE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
