"""Import of Fashion-Gen as published: two HDF5 files of tens of GB with one photo a row."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import h5py

from kaleido.catalog.imported import Imported
from kaleido.catalog.notes import Notes
from kaleido.catalog.product import Photo, Product
from kaleido.catalog.rejects import Rejects, RowError
from kaleido.catalog.row_reader import CellReader
from kaleido.catalog.sources import IMAGES, Hdf5Source
from kaleido.errors import UserError
from kaleido.progress import tqdm

PRODUCT_ID = "input_productID"
TEXTS = {
    "title": "input_name",
    "description": "input_description",
    "category": "input_category",
    "subcategory": "input_subcategory",
}
POSE = "input_pose"
ATTRIBUTES = ("brand", "composition", "department", "gender", "season")
ROWS_AT_ONCE = 4096


def import_fashion_gen(
    paths: Mapping[str, str | os.PathLike[str]], rejects: Rejects, empty: Sequence[str] | None = None
) -> Imported:
    """Groups the rows of the files by product; photos are not read.

    A product's text is that of its first row. The paper trains on the train file and tests on the validation file.

    Args:
        paths: HDF5 files by split: `train`, `test`.
        rejects: Collects the rows that cannot be used.
        empty: Words that mean an empty cell; None for the usual ones.

    Raises:
        UserError: if a file or column is missing, or a row is rejected and `rejects` stops.
    """
    sources = {split: Hdf5Source(path) for split, path in paths.items()}
    products: dict[str, Product] = {}
    notes = Notes()
    cells = CellReader(notes, empty)
    for split, source in sources.items():
        for row, values in _rows(source):
            with rejects.row(str(source.path), row):
                product = _product(values, row, split, cells)
                known = products.get(product.id)
                if known and known.split != split:
                    raise RowError(f"product {product.id!r} is also in {sources[known.split].path}")
                products[product.id] = _joined(known, product) if known else product
    return Imported(sources, list(products.values()), notes)


def _rows(source: Hdf5Source) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields index and text columns of every row; several rows are read at a time."""
    columns = {name: source.column(name) for name in (PRODUCT_ID, *TEXTS.values(), POSE)}
    columns |= {key: source.column(f"input_{key}") for key in ATTRIBUTES if f"input_{key}" in source.columns}
    count = len(source.column(IMAGES))
    for name, column in columns.items():
        if column.dtype.kind not in "Siu" and not h5py.check_string_dtype(column.dtype):
            raise UserError(f"{source.path}: {name} must hold texts or whole numbers. Received: {column.dtype}.")
        if column.shape not in ((count,), (count, 1)):
            raise UserError(
                f"{source.path}: {name} must have as many single values as {IMAGES} has rows, {count}; fetch the "
                f"file again. Received: {list(column.shape)}."
            )
    with tqdm(total=count, desc=source.path.name, unit="row") as progress:
        for start in range(0, count, ROWS_AT_ONCE):
            try:
                chunk = {name: column[start : start + ROWS_AT_ONCE].reshape(-1) for name, column in columns.items()}
            except (OSError, RuntimeError, ValueError, MemoryError) as error:
                raise UserError(
                    f"{source.path}, row {start}: cannot be read ({error}); fetch the file again."
                ) from error
            for offset, values in enumerate(zip(*chunk.values())):
                yield start + offset, {name: _decoded(value) for name, value in zip(chunk, values)}
            progress.update(min(ROWS_AT_ONCE, count - start))


def _decoded(value: object) -> str:
    """Decodes a cell: bytes as UTF-8 if they are valid, else as Windows-1252, else as Latin-1."""
    if not isinstance(value, bytes):
        return str(value)
    for encoding in ("utf-8", "cp1252"):
        try:
            return value.decode(encoding).strip()
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1").strip()


def _product(values: Mapping[str, str], row: int, split: str, cells: CellReader) -> Product:
    texts = {field: cells.text(values[column]) for field, column in TEXTS.items()}
    texts |= {field: " ".join(texts[field].split()) for field in ("category", "subcategory")}
    product = Product(
        id=values[PRODUCT_ID],
        photos=(Photo(id=f"{values[PRODUCT_ID]}-1", uri=f"{split}/{row}", view=values[POSE]),),
        split=split,
        attributes={key: text for key in ATTRIBUTES if (text := cells.line(values.get(key, "")))},
        **texts,
    )
    if not product.id:
        raise RowError(f"{PRODUCT_ID} is empty")
    if not product.text:
        raise RowError(f"product {product.id!r} has neither {TEXTS['title']} nor {TEXTS['description']}")
    return product


def _joined(known: Product, more: Product) -> Product:
    photo = replace(more.photos[0], id=f"{known.id}-{len(known.photos) + 1}")
    return replace(known, photos=(*known.photos, photo))
