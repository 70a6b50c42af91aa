"""Rows that an import cannot use: it stops at the first, or leaves them out and keeps account of each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kaleido.errors import UserError


@dataclass(frozen=True, slots=True)
class Reject:
    """A row left out.

    Attributes:
        file: The file that it is in.
        row: For a table the line it begins on, the heading being line 1; for HDF5 the index, from 0.
        reason: What is wrong with it.
    """

    file: str
    row: int
    reason: str


class RowError(Exception):
    """What is wrong with the row being read; raised and caught inside an import."""


class Rejects:
    """Collects the rows that an import cannot use.

    Args:
        on_error: `stop` makes the first one a `UserError`; `skip` carries on.
    """

    def __init__(self, on_error: str = "stop"):
        self._stops = on_error == "stop"
        self.rows: list[Reject] = []

    def add(self, file: str, row: int, reason: str) -> None:
        if self._stops:
            raise UserError(f"{file}, row {row}: {reason}; correct the row, or leave such rows out by --on-error skip.")
        self.rows.append(Reject(file, row, reason))

    @contextmanager
    def row(self, file: str, row: int) -> Iterator[None]:
        """Turns a `RowError` of its body into a reject."""
        try:
            yield
        except RowError as error:
            self.add(file, row, str(error))
