"""Fields of a table's rows as plain text: without markup, and empty where a word only says that nothing is there."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kaleido.catalog.columns import PHOTOS, FieldColumns
from kaleido.catalog.notes import Notes
from kaleido.catalog.plain_text import plain_text
from kaleido.catalog.rejects import RowError
from kaleido.catalog.table import Row
from kaleido.untrusted import parse_json

EMPTY: tuple[str, ...] = tuple(
    str.split(
        "nan none null nil n/a #n/a n.a. na <na> nat - -- --- – — . ? [] {} () [''] [\"\"] [null] [none] [nan] (null) "
        "(none) \\n undefined #value! #ref! #name? #null! #div/0!"
    )
)
"""Words that mean an empty cell where they stand alone, in lower case."""

CLEANED, EMPTIED = "texts cleaned of markup", "cells read as empty"
"""Names of the counts that the reader keeps."""

_MAY_BE_LISTS = ("description", "category", "subcategory")
_TEXT_KEYS = ("name", "rendered", "value", "title", "text", "label")
_SINGLE_LINE = ("category", "subcategory", "split")
_MOST_KNOWN, _LONGEST_KNOWN = 50_000, 60


class FieldRow(NamedTuple):
    """Fields of a row.

    Attributes:
        number: Number of the row, as in `Row`.
        fields: Plain text by field, without `photos`; empty if there is none.
        photos: Cells of the photo columns that are not empty, as the table has them: text, or a JSON list or object.
        attributes: Text of the columns that no field is read from, where it is not empty.
        values: All cells by column, as the table has them.
    """

    number: int
    fields: dict[str, str]
    photos: list[Any]
    attributes: dict[str, str]
    values: Mapping[str, Any]


class CellReader:
    """Reads the text of cells; equal short cells are cleaned once and kept once.

    Args:
        notes: Counts what was cleaned and what was read as empty.
        empty: Words that mean an empty cell, in any case; None for `EMPTY`.
    """

    def __init__(self, notes: Notes, empty: Sequence[str] | None = None):
        self._notes = notes
        self._empty = frozenset(EMPTY if empty is None else (word.strip().lower() for word in empty))
        self._longest = max(map(len, self._empty), default=0)
        self._known: dict[str, tuple[str, str]] = {}

    def is_empty(self, value: str) -> bool:
        """Tells whether a cell only says that nothing is there, and counts it then."""
        if not value:
            return True
        if len(value) > self._longest or value.lower() not in self._empty:
            return False
        self._notes.count(EMPTIED, value)
        return True

    def text(self, value: str) -> str:
        """Returns plain text, which may have lines."""
        short = len(value) <= _LONGEST_KNOWN  # a long text takes long to look up
        known = self._known.get(value) if short else None
        text, done = known or self._clean(value)
        if short and not known and len(self._known) < _MOST_KNOWN:
            self._known[value] = text, done
        if done:
            self._notes.count(done, value if done is EMPTIED else "")
        return text

    def line(self, value: str) -> str:
        """Returns plain text on one line, as names of classes are."""
        text = self.text(value)
        return text if text.isprintable() and "  " not in text else " ".join(text.split())

    def _clean(self, value: str) -> tuple[str, str]:
        if len(value) <= self._longest and value.lower() in self._empty:
            return "", EMPTIED
        text = plain_text(value)
        if text == value:
            return value, ""
        return ("" if len(text) <= self._longest and text.lower() in self._empty else text), CLEANED


class RowReader:
    """Reads the fields of rows.

    Args:
        columns: Columns of every field, as `resolve_columns` returns them.
        notes: Counts what was cleaned and what was read as empty.
        empty: Words that mean an empty cell, in any case; None for `EMPTY`.

    Attributes:
        photo_columns: Columns of `photos`; empty if no column names photos.
        has_ids: Whether a column names products.
    """

    def __init__(self, columns: FieldColumns, notes: Notes, empty: Sequence[str] | None = None):
        self.photo_columns = columns[PHOTOS]
        self.has_ids = bool(columns["id"])
        self._columns = {field: names for field, names in columns.columns.items() if field != PHOTOS}
        self._used = {name for names in columns.columns.values() for name in names}
        # A row may end before other columns, as office programs leave empty cells out, but not before these.
        needed = ("id", "title" if columns["title"] else "description", PHOTOS)
        self._needed = {columns[field][0] for field in needed if columns[field]}
        self._notes = notes
        self._cells = CellReader(notes, empty)
        self._plain = dict.fromkeys(self._columns, self._cells.text) | dict.fromkeys(_SINGLE_LINE, self._cells.line)
        self._plain["id"] = lambda value: "" if self._cells.is_empty(value) else value

    def read(self, row: Row) -> FieldRow:
        """Reads a row.

        Raises:
            RowError: if a cell cannot be a field's.
        """
        values = row.values
        if row.short:
            if not self._needed <= values.keys():
                raise RowError(row.short)
            self._notes.count(
                "rows with fewer cells than the heading, the last ones read as empty", f"row {row.number}"
            )
        return FieldRow(
            row.number,
            {
                field: self._field(field, value) if names and (value := values.get(names[0], "")) else ""
                for field, names in self._columns.items()
            },
            [cell for name in self.photo_columns if (cell := self._photo(values.get(name)))],
            {
                name: text
                for name, value in values.items()
                if value and name not in self._used and (text := self._attribute(value))
            },
            values,
        )

    def _field(self, field: str, value: Any) -> str:
        if isinstance(value, str) and (value[:1] != "[" or field not in _MAY_BE_LISTS):
            return self._plain[field](value)
        if not isinstance(value, str):
            value = _named(value[0] if isinstance(value, list) and value and isinstance(value[0], Mapping) else value)
        if field in _MAY_BE_LISTS:
            value = _joined(value, "\n" if field == "description" else " > ")
        if not isinstance(value, str):
            raise RowError(f"column {self._columns[field][0]!r} must hold text. Received: a {type(value).__name__}")
        return self._plain[field](value)

    def _attribute(self, value: Any) -> str:
        if isinstance(value, str):
            return self._cells.line(value)
        try:
            return json.dumps(value, ensure_ascii=False)
        except RecursionError:
            raise RowError("its values are nested too deeply") from None

    def _photo(self, value: Any) -> Any:
        if isinstance(value, str):
            return "" if self._cells.is_empty(value) else value
        if isinstance(value, list):
            return [
                cell
                for cell in value
                if cell is not None and not (isinstance(cell, str) and self._cells.is_empty(cell))
            ]
        return value


def _named(value: Any) -> Any:
    """Takes the text of an object with a name, such as `{"id": 7, "name": "Hats"}` or `{"rendered": "Hat"}`."""
    if isinstance(value, Mapping):
        return next((value[key].strip() for key in _TEXT_KEYS if isinstance(value.get(key), str)), value)
    return value


def _joined(value: Any, separator: str) -> Any:
    """Joins a list of texts, also one in JSON."""
    if isinstance(value, str) and value.startswith('["'):
        try:
            value = parse_json(value)
        except ValueError:
            return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return separator.join(filter(None, (part.strip() for part in value)))
    return value
