"""Products of rows: a product may have several rows, with a photo each or more."""

from dataclasses import replace

from kaleido.catalog.notes import Notes
from kaleido.catalog.photo_cells import PhotoCells
from kaleido.catalog.product import SPLITS, Photo, Product
from kaleido.catalog.rejects import Rejects, RowError
from kaleido.catalog.row_reader import FieldRow, RowReader
from kaleido.catalog.sources import Source
from kaleido.catalog.table import Table

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def products_of_rows(
    table: Table, reader: RowReader, photos: Source, rejects: Rejects, separators: str, notes: Notes
) -> list[Product]:
    """Makes products of a table's rows and finds their photos, as `folder.products_of_table` describes.

    Args:
        table: Rows to read.
        reader: Gives the fields of a row.
        photos: Folder or zip that photo paths are relative to.
        rejects: Collects the rows that cannot be used.
        separators: Characters between the photos of one cell.
        notes: Counts what was done to rows and photos, for the summary.
    """
    cells = PhotoCells(photos, reader.photo_columns, separators)
    products: dict[str, Product] = {}
    for row in table:
        with rejects.row(table.file, row.number):
            product = _product(reader.read(row), cells, photos, bool(reader.photo_columns))
            known = products.get(product.id)
            products[product.id] = _joined(known, product) if known else _numbered(product)
    return list(products.values())


def _product(row: FieldRow, cells: PhotoCells, source: Source, has_photos: bool) -> Product:
    fields = row.fields
    if not fields["id"]:
        raise RowError("the id is empty")
    if fields["split"] and fields["split"] not in SPLITS:
        raise RowError(f"the split must be one of {', '.join(SPLITS)}. Received: {fields['split']!r}")
    paths = cells.paths(row) if has_photos else [_photo_named(source, fields["id"])]
    cells.check(paths)
    return Product(**fields, photos=tuple(Photo("", f"photos/{path}") for path in paths), attributes=row.attributes)


def _photo_named(source: Source, product_id: str) -> str:
    candidates = [f"images/{product_id}{suffix}" for suffix in PHOTO_SUFFIXES]
    problems = [source.problem(path) for path in candidates]
    # If none exists, the check of the first one reports it.
    return next((path for path, problem in zip(candidates, problems) if not problem), candidates[0])


def _joined(known: Product, more: Product) -> Product:
    for field in ("title", "description", "category", "subcategory", "split"):
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
