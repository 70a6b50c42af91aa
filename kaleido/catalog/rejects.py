"""Rows that an import cannot use: the first one stops it, or each is left out and listed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

from kaleido.errors import UserError

OnError = Literal["stop", "skip"]

MOST_REJECTS = 1_000_000
"""Rows and photos that are listed at most; what has more is no table of products."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row left out, or one photo of it.

    Attributes:
        file: File with the row.
        row: Line on which a table's row begins (the heading is line 1), or index of a data frame's or HDF5 row, from 0.
        reason: Reason why the row or photo cannot be used.
        photo: The photo as the row names it, where it alone was left out; empty for a whole row.
    """

    file: str
    row: int
    reason: str
    photo: str = ""


class RowError(Exception):
    """Raised and caught inside an import; its message says what is wrong with the row being read."""


class Rejects:
    """Collects the rows that an import cannot use.

    Args:
        on_error: `stop` raises a `UserError` at the first; `skip` collects all, up to `MOST_REJECTS`.
    """

    def __init__(self, on_error: OnError = "stop"):
        if on_error not in get_args(OnError):
            raise UserError(f"on_error must be stop or skip. Received: {on_error!r}")
        self._stops = on_error == "stop"
        self.rows: list[Reject] = []

    def add(self, file: str, row: int, reason: str, photo: str = "") -> None:
        """Collects a row or, where `photo` is given, one photo of it; or raises a `UserError` that names it."""
        if self._stops:
            what = "photos" if photo else "rows"
            raise UserError(
                f"{file}, row {row}: {reason}; correct the row, or leave such {what} out by --on-error skip."
            )
        if len(self.rows) == MOST_REJECTS:
            first = self.rows[0]
            raise UserError(
                f"{file}: more than {MOST_REJECTS:,} rows and photos cannot be used; correct the table. The first, row "
                f"{first.row}: {first.reason}"
            )
        self.rows.append(Reject(file, row, reason, photo))

    @contextmanager
    def row(self, file: str, row: int) -> Iterator[None]:
        """Adds the row if the body raises a `RowError`."""
        try:
            yield
        except RowError as error:
            self.add(file, row, str(error))
