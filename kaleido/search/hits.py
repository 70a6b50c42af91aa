"""Products that an index gives: those that were found, and those that are asked for by their ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kaleido.errors import UserError
from kaleido.search.fields import PREFIX, label_of


class NotInIndex(UserError):
    """Raised where an index has no such product or photo."""


@dataclass(frozen=True)
class Hit:
    """A product that was found.

    Attributes:
        id: Product.
        score: Cosine of the query's vector and that of the product's most similar photo, -1 to 1.
        match: Probability that query and photo belong together, by the matching head; None where it was not asked.
        title: Title of the product.
        photo: Key of its most similar photo, for `Index.thumbnail`.
        fields: Columns of the catalogue that have a value: texts and numbers.
    """

    id: str
    score: float
    match: float | None
    title: str
    photo: str
    fields: Mapping[str, str | float]


@dataclass(frozen=True)
class Entry:
    """A product of an index.

    Attributes:
        id: Product.
        title: Title.
        text: Title and description, as the model reads them.
        photos: Keys of its photos, for `Index.thumbnail`.
        fields: Columns of the catalogue that have a value: texts and numbers.
    """

    id: str
    title: str
    text: str
    photos: tuple[str, ...]
    fields: Mapping[str, str | float]


def fields_of_row(row: Mapping[str, Any]) -> dict[str, str | float]:
    """Gives the catalogue's columns of a row of the store that have a value."""
    return {label_of(name): value for name, value in row.items() if name.startswith(PREFIX) and value is not None}


def hit_of_row(row: Mapping[str, Any]) -> Hit:
    """Makes a hit of a row of the store with its `_distance`."""
    return Hit(row["id"], 1 - row["_distance"], None, row["title"], row["photo"], fields_of_row(row))
