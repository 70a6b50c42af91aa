"""Import of a table of products and a folder or zip of photos."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kaleido.catalog.imported import Imported
from kaleido.catalog.product import SPLITS, Photo, Product
from kaleido.catalog.rejects import Rejects, RowError
from kaleido.catalog.row_reader import RowReader, resolve_columns
from kaleido.catalog.sources import Source, open_source
from kaleido.catalog.table import Row, Table, read_table, read_table_file
from kaleido.errors import UserError

TEXT_FIELDS = ("id", "title", "description", "category", "subcategory", "split")
FIELDS = (*TEXT_FIELDS, "photos")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def import_folder(
    source: str | os.PathLike[str],
    table: str | os.PathLike[str],
    rejects: Rejects,
    columns: Mapping[str, Sequence[str]] | None = None,
    separators: str = "|;",
) -> Imported:
    """Reads a table file of products and finds their photos; see `products_of_table`.

    Args:
        source: Folder or zip with the photos.
        table: A `.csv` or `.jsonl` file inside `source`, or else anywhere.
        rejects: Collects the rows that cannot be used.
        columns, separators: As in `products_of_table`.
    """
    photos = open_source(source)
    return products_of_table(photos, _open_table(photos, Path(table), rejects), rejects, columns, separators)


def products_of_table(
    photos: Source,
    table: Table,
    rejects: Rejects,
    columns: Mapping[str, Sequence[str]] | None = None,
    separators: str = "|;",
) -> Imported:
    """Makes products of a table's rows and finds their photos.

    A product may have several photos: in several columns, in one column with a separator, in a JSON list, or on
    several rows with the same id, whose other fields must be equal or empty; attributes are those of its first row.
    Without a column of photos a product's only photo is `images/ID.jpg` (or .jpeg, .png, .webp). A row is used whole
    or rejected.

    Args:
        photos: Folder or zip that photo paths are relative to.
        table: Rows to read.
        rejects: Collects the rows that cannot be used.
        columns: Columns by field: `id`, `title`, `description`, `category`, `subcategory`, `split` and `photos` (which
            may have several); a field that is not given is read from the column of its own name, if there is one.
        separators: Characters between the photos of one cell.

    Raises:
        UserError: if a file or column is missing, or a row is rejected and `rejects` stops.
    """
    reader = _ProductReader(photos, _resolve(columns or {}, table), separators)
    products: dict[str, Product] = {}
    for row in table.rows:
        with rejects.row(table.file, row.number):
            product = reader.read(row)
            known = products.get(product.id)
            products[product.id] = _joined(known, product) if known else _numbered(product)
    return Imported({"photos": photos}, list(products.values()))


def table_path(source: str | os.PathLike[str], table: str | os.PathLike[str]) -> str:
    """Returns the path of a table as `catalog.json` records it: relative to `source` if it lies inside."""
    table = Path(table)
    folder = Path(os.path.abspath(source))
    return (table.relative_to(folder) if table.is_relative_to(folder) else table).as_posix()


def _open_table(photos: Source, table: Path, rejects: Rejects) -> Table:
    problem = photos.problem(table.as_posix())
    if not problem:
        return read_table(bytes(photos.read(table.as_posix())), f"{photos.path}/{table.as_posix()}", rejects)
    if not os.path.isfile(table):
        raise UserError(f"{photos.path}: the table {problem}, and no such file exists elsewhere; name it with --table.")
    return read_table_file(table, rejects)


def _resolve(columns: Mapping[str, Sequence[str]], table: Table) -> dict[str, tuple[str, ...]]:
    resolved = resolve_columns(columns, table, FIELDS)
    if not resolved["id"]:
        table.require("id", "name it with --columns id=COLUMN")
    if not resolved["title"] and not resolved["description"]:
        table.require("title", "name it with --columns title=COLUMN or description=COLUMN")
    return resolved


class _ProductReader:
    """Makes products of rows; raises `RowError` if it cannot."""

    def __init__(self, source: Source, columns: Mapping[str, Sequence[str]], separators: str):
        self._source = source
        self._fields = RowReader(source, columns, separators)
        self._has_photos = bool(columns["photos"])
        self._used = {name for names in columns.values() for name in names}

    def read(self, row: Row) -> Product:
        fields = {field: self._fields.text(row, field) for field in TEXT_FIELDS}
        if not fields["id"]:
            raise RowError("the id is empty")
        if fields["split"] and fields["split"] not in SPLITS:
            raise RowError(f"the split must be one of {', '.join(SPLITS)}. Received: {fields['split']!r}")
        attributes = {name: _as_text(value) for name, value in row.values.items() if name not in self._used and value}
        paths = self._fields.photo_paths(row) if self._has_photos else [self._photo_named(fields["id"])]
        self._fields.check(paths)
        photos = tuple(Photo(id="", uri=f"photos/{path}") for path in paths)
        return Product(**fields, photos=photos, attributes=attributes)

    def _photo_named(self, product_id: str) -> str:
        candidates = [f"images/{product_id}{suffix}" for suffix in PHOTO_SUFFIXES]
        problems = [self._source.problem(path) for path in candidates]
        # If none exists, the check of the first one reports it.
        return next((path for path, problem in zip(candidates, problems) if not problem), candidates[0])


def _joined(known: Product, more: Product) -> Product:
    for field in TEXT_FIELDS:
        if getattr(more, field) not in ("", getattr(known, field)):
            raise RowError(f"product {known.id!r} is in an earlier row with another {field}")
    return _numbered(replace(known, photos=known.photos + more.photos))


def _numbered(product: Product) -> Product:
    """Checks a product that may come from several rows, and numbers its photos."""
    if not product.text:
        raise RowError(f"product {product.id!r} has neither a title nor a description")
    uris = [photo.uri for photo in product.photos]
    if len(set(uris)) < len(uris):
        raise RowError(f"product {product.id!r} has a photo twice")
    photos = tuple(replace(photo, id=f"{product.id}-{n}") for n, photo in enumerate(product.photos, start=1))
    return replace(product, photos=photos)


def _as_text(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise RowError("its values are nested too deeply") from None
