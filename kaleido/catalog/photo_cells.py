"""Photos that the cells of a row name."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from kaleido.catalog.rejects import RowError
from kaleido.catalog.row_reader import FieldRow
from kaleido.catalog.sources import Source


class PhotoCells:
    """Finds the photos of rows; raises `RowError` if a cell is invalid.

    Args:
        source: Folder or zip that photo paths are relative to.
        columns: Columns of photos, for messages.
        separators: Characters between the photos of one cell.
    """

    def __init__(self, source: Source, columns: Sequence[str], separators: str):
        self._source = source
        self._columns = columns
        self._separator = re.compile(f"[{re.escape(separators)}]") if separators else None

    def paths(self, row: FieldRow) -> list[str]:
        """Reads the photo paths of a row, at least one; whether the files exist is left to `check`."""
        paths: list[str] = []
        for cell in row.photos:
            if isinstance(cell, str):
                paths += self._separator.split(cell) if self._separator else [cell]
            elif isinstance(cell, list) and all(isinstance(path, str) for path in cell):
                paths += cell
            else:
                raise RowError(f"column {', '.join(map(repr, self._columns))} must hold a path or a list of paths")
        paths = [str(PurePosixPath(path.strip())) for path in paths if path.strip()]
        if not paths:
            raise RowError(f"no photo in {', '.join(self._columns)}")
        return paths

    def check(self, paths: Sequence[str]) -> None:
        """Raises a `RowError` for the first photo that cannot be read."""
        for path in paths:
            if problem := self._source.problem(path):
                raise RowError(f"photo {problem}")
