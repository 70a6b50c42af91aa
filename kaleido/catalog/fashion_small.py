"""Import of "Fashion Product Images (Small)": `styles.csv` and `images/ID.jpg`, one photo a product."""

import os
from collections.abc import Mapping, Sequence

from kaleido.catalog.imported import Imported
from kaleido.catalog.notes import Notes
from kaleido.catalog.product import Photo, Product
from kaleido.catalog.rejects import Rejects, RowError
from kaleido.catalog.row_reader import CellReader
from kaleido.catalog.sources import Source, open_source
from kaleido.catalog.table import Row, read_table
from kaleido.catalog.table_file import file_at, file_in_zip
from kaleido.errors import UserError

TABLE = "styles.csv"
COLUMNS = {"id": "id", "title": "productDisplayName", "category": "masterCategory", "subcategory": "subCategory"}


def import_fashion_small(
    paths: Mapping[str, str | os.PathLike[str]], rejects: Rejects, empty: Sequence[str] | None = None
) -> Imported:
    """Reads the products of one or more zips or folders.

    Args:
        paths: Zips or folders by split: `train`, `validation`, `test`, or empty to leave the choice to `prepare`.
        rejects: Collects the rows that cannot be used, among them those whose photo is missing.
        empty: Words that mean an empty cell; None for the usual ones.

    Raises:
        UserError: if a file or column is missing, or a row is rejected and `rejects` stops.
    """
    sources = {split or "photos": open_source(path) for split, path in paths.items()}
    products: dict[str, Product] = {}
    notes = Notes()
    cells = CellReader(notes, empty)
    for (name, source), split in zip(sources.items(), paths):
        if problem := source.problem(TABLE):
            raise UserError(f"{source.path}: {problem}; give the zip or folder with {TABLE} and images/ at its top.")
        file = file_in_zip(source.path, TABLE) if source.kind == "zip" else file_at(source.path / TABLE)
        # In the published table the commas of product names, its last column, are not quoted.
        table = read_table(file, rejects, join_surplus=True)
        for line in table.notes:
            notes.say(line)
        for column in COLUMNS.values():
            table.require(column, "this is not the layout of fashion-small; try `catalog import folder`")
        for row in table:
            with rejects.row(table.file, row.number):
                if row.short:
                    raise RowError(row.short)
                product = _read(row, name, source, split, cells)
                if product.id in products:
                    raise RowError(f"product {product.id!r} is in {products[product.id].photos[0].uri!r} already")
                products[product.id] = product
    return Imported(sources, list(products.values()), notes)


def _read(row: Row, name: str, source: Source, split: str, cells: CellReader) -> Product:
    fields = {field: cells.line(row.values[column]) for field, column in COLUMNS.items()}
    if not fields["id"]:
        raise RowError("the id is empty")
    if not fields["title"]:
        raise RowError(f"product {fields['id']!r} has no {COLUMNS['title']}")
    path = f"images/{fields['id']}.jpg"
    if problem := source.problem(path):
        raise RowError(f"photo {problem}")
    others = {key: cells.line(value) for key, value in row.values.items() if value and key not in COLUMNS.values()}
    attributes = {key: value for key, value in others.items() if value}
    photo = Photo(id=fields["id"], uri=f"{name}/{path}")
    return Product(**fields, photos=(photo,), split=split, attributes=attributes)
