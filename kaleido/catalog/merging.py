"""Products of rows: a product may have several rows, with a photo each, more or none."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from kaleido.catalog.headings import plain_name
from kaleido.catalog.notes import Notes
from kaleido.catalog.photos import Photos, Reference
from kaleido.catalog.product import SPLITS
from kaleido.catalog.product_lines import HeldProducts
from kaleido.catalog.rejects import Rejects, RowError
from kaleido.catalog.row_products import RowProduct, RowProducts
from kaleido.catalog.row_reader import FieldRow, RowReader
from kaleido.catalog.table import Row, Table

_TEXTS = ("title", "description")
_REPLACED = (*_TEXTS, "category", "subcategory")

_KINDS = ("item", "itemtype", "type", "fieldtype", "rowtype", "relationship", "producttype")
_PARTS = ("variant", "variation", "productvariant", "productvariation", "sku", "image", "picture", "video", "rule")
"""Columns by which exports tell the row of a product from those of its variants and pictures, and what they say."""

_VIEWS = ("storeviewcode",)
"""Columns that are empty in the row of a product, and name a language or shop in rows with its other texts."""

_CHUNK, _CHUNK_SIZE = 1024, 1 << 22
"""Rows whose photos are found and looked at together, and characters of their cells after which no more are taken."""


def merge_rows(
    table: Table, reader: RowReader, photos: Photos, rejects: Rejects, notes: Notes, listing: bool = False
) -> RowProducts:
    """Merges the rows of each product; the same for imports and for lists of photos.

    Rows with the same id are one product. Later rows inherit what they leave empty, and fill in what was empty; a
    photo that is repeated counts once, and a row without one adds none. A row without an id and a text belongs to the
    product of the row above it, and so does one that says it is a variant or picture, unless it has an id, a text and
    a photo of its own. Where no column has ids, each row is a product with its number as id. A photo that cannot be
    used is rejected alone; a product without any that can be used is left out. What was merged or left out is counted.

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
    merging = _Merging(rejects, notes, table, photos.place, listing, numbered=not listing and not reader.has_ids)
    for rows in _chunks(_without_headings(table, notes)):
        read = [_read(reader, row) for row in rows]
        for row, fields, found in zip(rows, read, photos.of_rows(read), strict=True):
            with rejects.row(table.file, row.number):
                if isinstance(found, RowError) or isinstance(fields, RowError):
                    merging.last = None
                    raise fields if isinstance(fields, RowError) else found
                merging.add(fields, found)
    return merging.finished()


def products_of_rows(
    table: Table,
    reader: RowReader,
    photos: Photos,
    rejects: Rejects,
    notes: Notes,
    others: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> HeldProducts:
    """Makes products of a table's rows, as `folder.products_of_table` describes.

    Args:
        table, reader, photos, rejects, notes: As in `merge_rows`.
        others: Columns by field that are read instead, where the field's own column is empty in all rows.
    """
    merged = merge_rows(table, reader, photos, rejects, notes)
    replaced: dict[str, str] = {}
    for name, columns in others.items():
        if name not in _REPLACED or any(one.fields[name] for one in merged):
            continue
        free = [column for column in columns if column not in replaced.values()]
        other = next((column for column in free if any(column in one.attributes for one in merged)), "")
        if other:
            notes.say(f"{name} from {other!r}, as the column that comes first is empty in all rows")
            replaced[name] = other
    for place in range(len(merged)) if replaced else ():
        one = merged[place]
        for name, other in replaced.items():
            one.take_attribute(other, name)
        merged[place] = one

    def has_text(one: RowProduct) -> bool:
        for number in () if one.has_text else dict.fromkeys(one.photos.values()):
            rejects.add(table.file, number, f"product {one.fields['id']!r} has neither a title nor a description")
        return one.has_text

    merged.keep(has_text)
    return merged.finished()


class _Merging:
    """Finds the product of every row.

    Attributes:
        last: Place of the product of the last row; None if that could not be used, so that rows that go with it are
            not another's.
    """

    def __init__(self, rejects: Rejects, notes: Notes, table: Table, place: str, listing: bool, numbered: bool):
        self._rejects = rejects
        self._notes = notes
        self._file = table.file
        self._place = place
        self._listing = listing
        self._numbered = numbered
        self._kinds = [column for column in table.columns if plain_name(column) in _KINDS]
        self._views = [column for column in table.columns if plain_name(column) in _VIEWS]
        self._products = RowProducts()
        self._places: dict[object, int] = {}
        self.last: int | None = None

    def add(self, row: FieldRow, photos: Sequence[Reference]) -> None:
        """Adds a row to its product; raises `RowError` if it cannot be used."""
        above, self.last = self.last, None
        key, place = self._product_of(row, bool(photos), above)
        if place is None:
            product = RowProduct(row.number, row.fields, row.attributes, {}, [])
        else:
            product = self._products.open(place)
        for reference in photos:
            if reference.problem:
                self._rejects.add(self._file, row.number, reference.problem, reference.text)
            elif not product.add_photo(reference.uri, row.number):
                self._notes.count("repeated photos, kept once", f"row {row.number}: {reference.text}")
        if not photos:
            product.without.append(row.number)
        if place is None:
            place = self._places[key] = self._products.add(product)
        self.last = place

    def finished(self) -> RowProducts:
        """Returns the products with photos, and rejects the rows of the others."""
        self._places.clear()
        self._products.keep(self._has_photos)
        return self._products

    def _has_photos(self, product: RowProduct) -> bool:
        if product.photos:
            if product.without:
                self._notes.count("rows without a photo", f"row {product.without[0]}", len(product.without))
            return True
        for number in product.without:
            self._rejects.add(self._file, number, f"no photo in {self._place}")
        self._notes.count("products left out, without a usable photo", product.fields.get("id", ""))
        return False

    def _product_of(self, row: FieldRow, has_photos: bool, above: int | None) -> tuple[object, int | None]:
        """Finds the product of a row and completes it; returns the key and the place, None for that of a new one."""
        fields = row.fields
        if (split := fields.get("split")) and split not in SPLITS:
            raise RowError(f"the split must be one of {', '.join(SPLITS)}. Received: {split!r}")
        if self._numbered:
            fields["id"] = str(row.number)
        key: object = fields.get("id")
        place = self._places.get(key)
        known = None if place is None else self._products[place]
        has_text = any(fields.get(name) for name in _TEXTS)
        if known is None and not (key and has_text and has_photos) and self._says(row, self._kinds, _PARTS):
            if above is None:
                raise RowError("it is a variant or picture of a product whose row is missing or was left out")
            self._notes.count("rows of variants and pictures, taken to the product above", f"row {row.number}")
            return key, above
        if not key:
            if not has_text and above is not None and self._products[above].fields.get("id"):
                self._notes.count("rows without an id, taken to the product above", f"row {row.number}")
                return key, above
            if not self._listing:
                raise RowError("the id is empty (--columns id= numbers the products by their rows)")
            key = row.number
        elif known:
            if self._says(row, self._views):
                self._notes.count("rows with a product's texts for other shops, left out", f"row {row.number}")
                return key, place
            if other := _difference(known.fields, fields):
                if not self._listing:
                    raise RowError(f"product {key!r} is in an earlier row with another {other}")
                key = (key, *(fields[name] or known.fields[name] for name in _TEXTS))
                place = self._places.get(key)
        if place is not None:
            self._notes.count("further rows of a product", f"row {row.number}")
            self._products.open(place).complete(fields, row.attributes)
        return key, place

    @staticmethod
    def _says(row: FieldRow, columns: Sequence[str], words: Sequence[str] = ()) -> bool:
        """Tells whether one of the columns has one of the words, or anything at all if none are given."""
        said = [value for column in columns if isinstance(value := row.values.get(column), str) and value]
        return any(plain_name(value) in words for value in said) if words else bool(said)


def _difference(known: Mapping[str, str], more: Mapping[str, str]) -> str:
    """Names the first field of which both say something, and not the same; empty if there is none.

    Spellings of a category that differ in case or space alone are the same.
    """
    other = [name for name, value in more.items() if value and known[name] not in ("", value)]
    return next((name for name in other if name in _TEXTS or _folded(known[name]) != _folded(more[name])), "")


def _folded(name: str) -> str:
    return "".join(name.casefold().split())


def _read(reader: RowReader, row: Row) -> FieldRow | RowError:
    try:
        return reader.read(row)
    except RowError as error:
        return error


def _without_headings(table: Table, notes: Notes) -> Iterator[Row]:
    """Leaves out rows that repeat the heading, as files do that were joined."""
    for row in table:
        name, value = next(iter(row.values.items()), ("", ""))
        if value == name and len(row.values) > 1 and all(map(_is_repeated, row.values.items())):
            notes.count("headings repeated among the rows, left out", f"row {row.number}")
        else:
            yield row


def _is_repeated(item: tuple[str, object]) -> bool:
    name, value = item
    return value == name or (isinstance(value, str) and (not value or name.startswith(f"{value} (")))


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
