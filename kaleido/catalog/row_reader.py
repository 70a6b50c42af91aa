"""Fields of a table's rows, in columns that the user names or that have the field's name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaleido.catalog.rejects import RowError
from kaleido.catalog.table import Row, Table, nearest
from kaleido.errors import UserError

PHOTOS = "photos"
"""The only field that may have several columns."""


@dataclass(frozen=True, slots=True)
class FieldRow:
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


def resolve_columns(
    columns: Mapping[str, Sequence[str]], table: Table, fields: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Finds the columns of every field: those given, or else the one of the field's name if it exists.

    A column `photo` serves as `photos` too, unless there is one of that name.

    Raises:
        UserError: if a field or column does not exist, or a field other than `photos` is given several columns.
    """
    for field, names in columns.items():
        if field not in fields:
            raise UserError(
                f"--columns: there is no field {field!r}{nearest(field, fields)}; the fields are {', '.join(fields)}."
            )
        if field != PHOTOS and len(names) > 1:
            raise UserError(f"--columns: only photos may have several columns. Received: {field}={','.join(names)}.")
        for name in names:
            table.require(name, f"correct --columns {field}=COLUMN")
    own = {field: (field,) for field in fields if field in table.columns}
    if "photo" in table.columns:
        own.setdefault(PHOTOS, ("photo",))
    return {field: () for field in fields} | own | {field: tuple(names) for field, names in columns.items()}


class RowReader:
    """Reads the fields of rows.

    Args:
        columns: Columns of every field, as `resolve_columns` returns them.

    Attributes:
        photo_columns: Columns of `photos`; empty if no column names photos.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]):
        self.photo_columns = tuple(columns[PHOTOS])
        self._columns = {field: names for field, names in columns.items() if field != PHOTOS}
        self._used = {name for names in columns.values() for name in names}

    def read(self, row: Row) -> FieldRow:
        """Reads a row.

        Raises:
            RowError: if a cell cannot be a field's.
        """
        return FieldRow(
            row.number,
            {field: self._text(row, names) for field, names in self._columns.items()},
            [cell for name in self.photo_columns if (cell := row.values.get(name, ""))],
            {name: _as_text(value) for name, value in row.values.items() if name not in self._used and value},
            row.values,
        )

    def _text(self, row: Row, names: Sequence[str]) -> str:
        for name in names:
            value = row.values.get(name, "")
            if not isinstance(value, str):
                raise RowError(f"column {name!r} must hold text. Received: a {type(value).__name__}")
            return value
        return ""


def _as_text(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise RowError("its values are nested too deeply") from None
