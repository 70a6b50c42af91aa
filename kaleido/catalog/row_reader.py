"""Fields of a table's rows, by the columns that a user names or that bear a field's own name."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from kaleido.catalog.rejects import RowError
from kaleido.catalog.sources import Source
from kaleido.catalog.table import Row, Table, nearest
from kaleido.errors import UserError

PHOTOS = "photos"
"""The one field that may have several columns."""


def resolve_columns(
    columns: Mapping[str, Sequence[str]], table: Table, fields: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """The columns of every field: those given, and else the one of the field's own name where it exists.

    Raises:
        UserError: Where a field or a given column does not exist, or a field other than `photos` is given several.
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
    return {field: () for field in fields} | own | {field: tuple(names) for field, names in columns.items()}


class RowReader:
    """Reads fields of rows; raises RowError where it cannot.

    Args:
        source: What photo paths are relative to.
        columns: Of every field, as `resolve_columns` gives them.
        separators: Characters that divide the photos of one column.
    """

    def __init__(self, source: Source, columns: Mapping[str, Sequence[str]], separators: str):
        self._source = source
        self._columns = columns
        self._separator = re.compile(f"[{re.escape(separators)}]") if separators else None

    def text(self, row: Row, field: str) -> str:
        """What the field holds; empty where it has no column."""
        for column in self._columns[field]:
            value = row.values.get(column, "")
            if not isinstance(value, str):
                raise RowError(f"column {column!r} must hold text. Received: a {type(value).__name__}")
            return value
        return ""

    def photo_paths(self, row: Row) -> list[str]:
        """The paths in the columns of photos, at least one; whether something is there is for `check` to say."""
        paths = []
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
        """Raises a RowError that says why the first of these photos that cannot be read cannot."""
        for path in paths:
            if problem := self._source.problem(path):
                raise RowError(f"photo {problem}")
