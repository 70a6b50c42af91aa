"""Columns of a catalogue as columns of an index: texts and numbers."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kaleido.catalog.product import Product

if TYPE_CHECKING:
    import pyarrow as pa

FieldKind = Literal["text", "number"]

PREFIX = "c_"
"""Beginning of the names of the catalogue's columns in the store, where no other name has it."""

OWN = ("id", "title")
"""Columns that every product has and that can be filtered by as well."""

USUAL = 50
"""Number of values that `Column` lists at most."""

_NUMBER = re.compile(r"(?P<before>[A-Z]{3}|[$€£¥₹])?\s*(?P<number>[+-]?\d+(?:[.,]\d+)?)\s*(?P<after>[A-Z]{3}|[$€£¥₹])?")


@dataclass(frozen=True)
class Column:
    """A column that can be filtered by.

    Attributes:
        name: Its name in the catalogue.
        kind: `text` or `number`.
        values: The most frequent values and how many products have them, the most frequent first; of texts.
        least, largest: The range of the numbers; None of texts.
    """

    name: str
    kind: FieldKind
    values: Mapping[str, int]
    least: float | None = None
    largest: float | None = None


def fields_of(product: Product) -> dict[str, str]:
    """Gives the columns of a product that have a value."""
    own = {"category": product.category, "subcategory": product.subcategory, "split": product.split}
    return {name: value for name, value in {**own, **product.attributes}.items() if value}


def kinds_of_fields(products: Iterable[Product]) -> dict[str, FieldKind]:
    """Finds the columns of products, and which are numbers: all of whose values are such, of one unit at most."""
    units: dict[str, set[str | None]] = {}
    for product in products:
        for name, value in fields_of(product).items():
            units.setdefault(name, set()).add(_unit(value))
    return {name: "number" if None not in found and len(found) == 1 else "text" for name, found in units.items()}


def kinds_of_schema(schema: "pa.Schema") -> dict[str, FieldKind]:
    """Finds the catalogue's columns in a table of the store, by the catalogue's names."""
    return {
        label_of(field.name): "number" if field.type == "double" else "text"
        for field in schema
        if field.name.startswith(PREFIX)
    }


def stored_name(label: str) -> str:
    """Names a column of the catalogue in the store, which takes neither dots nor back quotes."""
    return PREFIX + label.replace("%", "%25").replace(".", "%2E").replace("`", "%60")


def label_of(name: str) -> str:
    """Gives the catalogue's name of a column of the store."""
    return name.removeprefix(PREFIX).replace("%60", "`").replace("%2E", ".").replace("%25", "%")


def number_of(text: str) -> float | None:
    """Reads a number, which may have a unit of money: `49.90`, `49,90 EUR`, `$5`; None if it is none."""
    found = _NUMBER.fullmatch(text.strip())
    if not found or (found["before"] and found["after"]):
        return None
    number = float(found["number"].replace(",", "."))
    return number if math.isfinite(number) else None


def _unit(text: str) -> str | None:
    """Returns the unit of a number, empty if it has none; None if the text is no number or a code such as 007."""
    found = _NUMBER.fullmatch(text.strip())
    if number_of(text) is None or not found or re.match(r"[+-]?0\d", found["number"]):
        return None
    return found["before"] or found["after"] or ""


def most_frequent(values: Sequence[str]) -> dict[str, int]:
    """Counts values, the most frequent first, at most `USUAL`."""
    return dict(Counter(values).most_common(USUAL))
