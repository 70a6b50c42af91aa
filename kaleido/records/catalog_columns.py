"""Columns of the catalogue that records leave out."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kaleido.catalog.catalog import HEADER, Catalog
from kaleido.errors import UserError
from kaleido.records.index import UNLABELLED
from kaleido.records.reader import PhotoRecords, SplitRecords

RECORD_LABELS = {"category": "categories", "subcategory": "subcategories"}
"""Labels that records have themselves, and where the metadata names them."""


def catalog_beside(records: SplitRecords) -> Catalog | None:
    """Opens the catalogue in whose folder the records lie; None if there is none or it is not theirs."""
    path = records.directory.parent
    if not (path / HEADER).is_file():
        return None
    catalog = Catalog.open(path)
    return catalog if catalog.fingerprint == records.metadata.get("catalog", {}).get("fingerprint") else None


def catalog_of(records: SplitRecords, catalog: str | Path | Catalog | None = None) -> Catalog:
    """Opens the catalogue that records were made of.

    Args:
        records: Records of any split.
        catalog: The catalogue or its folder; the folder around the records if not given.

    Raises:
        UserError: if there is none, or its products or photos have changed since.
    """
    path = Path(getattr(catalog, "directory", catalog)) if catalog else records.directory.parent
    wanted = records.metadata.get("catalog", {}).get("fingerprint")
    if not isinstance(records, PhotoRecords) or wanted is None:
        raise UserError(f"{records.directory}: these records were not made of a catalogue, whose columns are asked for")
    if not catalog and not (path / HEADER).is_file():
        raise UserError(f"{path}: no catalogue beside the records; name the one that they were made of by --catalog")
    found = catalog if isinstance(catalog, Catalog) else Catalog.open(path)
    if found.fingerprint != wanted:
        raise UserError(f"{path}: not the catalogue that {records.directory} were made of, or it has changed since")
    return found


def photo_uri(records: PhotoRecords, catalog: Catalog, row: int) -> str:
    """Finds the uri of a record's photo in the catalogue that the records were made of."""
    photo_id = records.index.photo_ids[row].decode()
    return next(photo.uri for photo in catalog.products[records.index.product[row]].photos if photo.id == photo_id)


def column_labels(
    records: SplitRecords, column: str, catalog: str | Path | Catalog | None = None
) -> tuple[list[str], np.ndarray]:
    """Gives one label of every record.

    Args:
        records: Records of one split.
        column: `category`, `subcategory`, or a further column of the catalogue.
        catalog: As for `catalog_of`; not looked for where the records have the label.

    Returns:
        The names in the catalogue, sorted, and int32 [n], their numbers, -1 where unlabelled.

    Raises:
        UserError: if there is no such column.
    """
    if column in RECORD_LABELS and isinstance(records, PhotoRecords):
        return list(records.metadata[RECORD_LABELS[column]]), getattr(records.index, column)
    values = _column(records, column, catalog, RECORD_LABELS)
    names = sorted(set(values) - {""})
    numbers = {name: number for number, name in enumerate(names)}
    of_product = np.array([numbers.get(value, UNLABELLED) for value in values], np.int32)
    return names, of_product[records.index.product]


def column_values(records: SplitRecords, column: str, catalog: str | Path | Catalog | None = None) -> np.ndarray:
    """Reads a numeric column of the catalogue, for example prices.

    Args:
        records: Records of one split.
        column: Further column of the catalogue.
        catalog: As for `catalog_of`.

    Returns:
        float32 [n], the number of every record, NaN where the product has none or something else.

    Raises:
        UserError: if no product has such a column, or no value in it is a number.
    """
    of_product = np.array([_number(value) for value in _column(records, column, catalog)], np.float32)
    if not np.isfinite(of_product).any():
        raise UserError(f"{records.directory}: no product has a number in the column {column}; name another column")
    return of_product[records.index.product]


def _column(
    records: SplitRecords, column: str, catalog: str | Path | Catalog | None, others: Iterable[str] = ()
) -> list[str]:
    """Reads a further column of the catalogue, a text for each product; a message names it and the other columns."""
    catalog = catalog_of(records, catalog)
    values = [product.attributes.get(column, "") for product in catalog.products]
    if not any(values):
        known = sorted({name for product in catalog.products for name in product.attributes})
        there = ", ".join([*others, *known]) or "none"
        raise UserError(f"{catalog.directory}: no product has the column {column}; there are {there}")
    return values


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if abs(number) <= np.finfo(np.float32).max else math.nan
