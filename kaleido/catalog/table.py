"""Tables in CSV, JSONL or memory; every row is read or rejected, none is dropped."""

import csv
import difflib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError

# Bytes that are not UTF-8 are decoded to lone surrogates, so that their row, not the file, is rejected; text in UTF-16
# has zeros.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a table.

    Attributes:
        number: Line of the file on which it begins, from 1, or index of a row in memory, from 0.
        values: Values by column. Scalars are stripped text; CSV has no lists and objects.
    """

    number: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Readable rows of a table.

    Attributes:
        file: Name for messages.
        columns: Heading of a CSV, or all keys that occur in rows.
        rows: Rows in the file's order.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def require(self, column: str, advice: str) -> None:
        """Raises a `UserError` with the nearest column and `advice` if `column` does not exist."""
        if column not in self.columns:
            raise UserError(
                f"{self.file} has no column {column!r}{nearest(column, self.columns)}; {advice}. "
                f"Received: {', '.join(self.columns)}."
            )


def nearest(name: str, names: tuple[str, ...]) -> str:
    """Returns ` (the nearest is 'NAME')`, or an empty string if no name is similar."""
    by_lower_case = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f" (the nearest is {by_lower_case[close[0]]!r})" if close else ""


def read_table(data: bytes, file: str, rejects: Rejects, join_surplus: bool = False) -> Table:
    """Parses a table; blank rows are skipped.

    Args:
        data: Content in UTF-8, with or without a byte order mark.
        file: Name of the file, `.csv` or `.jsonl`, also for messages.
        rejects: Collects the rows that cannot be read.
        join_surplus: Whether fields beyond the heading belong to the last column, whose commas were not quoted.

    Raises:
        UserError: if the heading is invalid or the file is of another kind.
    """
    suffix = PurePosixPath(file).suffix.lower()
    if suffix == ".csv":
        return _read_csv(data, file, rejects, join_surplus)
    if suffix == ".jsonl":
        rows = tuple(_jsonl_rows(data, file, rejects))
        return Table(file, _columns_of(rows), rows)
    raise UserError(f"{file} must be a .csv or a .jsonl file.")


def read_table_file(path: Path, rejects: Rejects) -> Table:
    """Reads a table from a file; see `read_table`."""
    try:
        return read_table(path.read_bytes(), str(path), rejects)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error


def table_of_rows(rows: Iterable[Mapping[str, Any]], name: str, rejects: Rejects) -> Table:
    """Makes a table of rows in memory, such as a data frame's; NaN and None become empty cells.

    Args:
        rows: One mapping of column names to values a row; rows are numbered from 0.
        name: Name of the table in messages.
        rejects: Collects the rows that cannot be read.
    """
    readable = []
    for number, values in enumerate(rows):
        if not isinstance(values, Mapping):
            rejects.add(name, number, f"is not a mapping of column names. Received: {type(values).__name__}")
            continue
        row = {str(column): _scalar_as_text(_plain(value)) for column, value in values.items()}
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeError:
            rejects.add(name, number, "is not UTF-8")
        except RecursionError:
            rejects.add(name, number, "is nested too deeply")
        else:
            readable.append(Row(number, row))
    return Table(name, _columns_of(readable), tuple(readable))


def _plain(value: Any) -> Any:
    """Turns a cell of a data frame into a JSON value: NumPy values to Python's, missing ones to None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    try:
        missing = bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        missing = True
    if missing or value is None:
        return None
    return value if isinstance(value, str | bool | int | float) else str(value)


def _columns_of(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for row in rows for key in row.values))


def _read_csv(data: bytes, file: str, rejects: Rejects, join_surplus: bool) -> Table:
    # Without `strict`, a quotation mark that is never closed would swallow all following rows.
    lines = io.StringIO(data.decode("utf-8-sig", errors="surrogateescape"), newline="")
    reader = csv.reader(lines, strict=True)
    try:
        heading = next(([column.strip() for column in fields] for fields in reader if any(fields)), [])
    except csv.Error as error:
        raise UserError(f"{file}, row 1: is not CSV ({error}); correct the heading.") from error
    if not heading:
        raise UserError(f"{file} is empty; give a table whose first line names its columns.")
    if _NO_TEXT.search("".join(heading)):
        raise UserError(f"{file}, row 1: is not UTF-8; save the table as UTF-8.")
    if twice := sorted({column for column in heading if column and heading.count(column) > 1}):
        raise UserError(f"{file}, row 1: the column {twice[0]!r} occurs twice; rename one.")

    rows = []
    for number, fields in _csv_records(reader, file, rejects):
        if join_surplus and len(fields) > len(heading):
            fields[len(heading) - 1 :] = [",".join(fields[len(heading) - 1 :])]
        if not any(field.strip() for field in fields):
            continue
        if len(fields) < len(heading) or any(fields[len(heading) :]):
            extent = f" (it ends on line {reader.line_num})" if reader.line_num > number else ""
            rejects.add(file, number, f"has {len(fields)} fields where the heading has {len(heading)}{extent}")
        elif wrong := next((column for column, field in zip(heading, fields) if _NO_TEXT.search(field)), None):
            rejects.add(file, number, f"column {wrong!r} is not UTF-8")
        else:
            rows.append(Row(number, {column: field.strip() for column, field in zip(heading, fields) if column}))
    return Table(file, tuple(filter(None, heading)), tuple(rows))


def _csv_records(reader: Any, file: str, rejects: Rejects) -> Iterator[tuple[int, list[str]]]:
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            rejects.add(file, number, f"is not CSV ({error}; it ends on line {reader.line_num})")


def _jsonl_rows(data: bytes, file: str, rejects: Rejects) -> Iterator[Row]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line.decode(), object_pairs_hook=_object)
            # A lone surrogate such as \ud800 is valid JSON but cannot be written to a file.
            json.dumps(values, ensure_ascii=False).encode()
        except UnicodeError:
            rejects.add(file, number, "is not UTF-8")
        except (ValueError, RecursionError) as error:
            rejects.add(file, number, f"is not JSON ({error})")
        else:
            if isinstance(values, dict):
                yield Row(number, {key: _scalar_as_text(value) for key, value in values.items()})
            else:
                rejects.add(file, number, f"is not a JSON object. Received: {type(values).__name__}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key occurs twice in an object")
    return values


def _scalar_as_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value) if isinstance(value, bool | int | float) else value
