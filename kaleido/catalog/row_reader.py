"""Fields of a table's rows, in columns that the user names or that have the field's name."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from kaleido.catalog.rejects import RowError
from kaleido.catalog.sources import Source
from kaleido.catalog.table import Row, Table, nearest
from kaleido.errors import UserError

PHOTOS = "photos"
"""The only field that may have several columns."""


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
    """Reads fields of rows; raises `RowError` if a value is invalid.

    Args:
        source: Folder or zip that photo paths are relative to.
        columns: Columns of every field, as `resolve_columns` returns them.
        separators: Characters between the photos of one cell.
    """

    def __init__(self, source: Source, columns: Mapping[str, Sequence[str]], separators: str):
        self._source = source
        self._columns = columns
        self._separator = re.compile(f"[{re.escape(separators)}]") if separators else None

    def text(self, row: Row, field: str) -> str:
        """Reads a text field; empty if it has no column."""
        for column in self._columns[field]:
            value = row.values.get(column, "")
            if not isinstance(value, str):
                raise RowError(f"column {column!r} must hold text. Received: a {type(value).__name__}")
            return value
        return ""

    def photo_paths(self, row: Row) -> list[str]:
        """Reads the photo paths of a row, at least one; whether the files exist is left to `check`."""
        paths: list[str] = []
        for column in self._columns[PHOTOS]:
            value = row.values.get(column, "")
            if isinstance(value, str):
                paths += self._separator.split(value) if self._separator else [value]
            elif isinstance(value, list) and all(isinstance(path, str) for path in value):
                paths += value
            else:
                raise RowError(f"column {column!r} must hold a path or a list of paths")
        paths = [str(PurePosixPath(path.strip())) for path in paths if path.strip()]
        if not paths:
            raise RowError(f"no photo in {', '.join(self._columns[PHOTOS])}")
        return paths

    def check(self, paths: Sequence[str]) -> None:
        """Raises a `RowError` for the first photo that cannot be read."""
        for path in paths:
            if problem := self._source.problem(path):
                raise RowError(f"photo {problem}")
