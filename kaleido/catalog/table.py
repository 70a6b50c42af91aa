"""Tables of files or memory; every row is read or rejected, none is dropped."""

import difflib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

from kaleido.catalog import json_rows
from kaleido.catalog.delimited import MOST_TITLES, UNNAMED, Delimited, numbered, repeated, titles_above
from kaleido.catalog.headings import fields_named, heading_row
from kaleido.catalog.rejects import Rejects
from kaleido.catalog.table_file import TABLE_SUFFIXES, TableFile, file_at, unpacked
from kaleido.catalog.text_encoding import MARKED, encoding_of
from kaleido.errors import UserError


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Options of reading a table, for what cannot be detected.

    Attributes:
        encoding: Encoding of a text file; None to find it.
        delimiter: Character between the cells of a text file, or `tab`; None to find it.
        sheet: Sheet of a spreadsheet; None for the first one with rows.
        empty: Words that mean an empty cell, in any case; None for the usual ones.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    empty: Sequence[str] | None = None


class Row(NamedTuple):
    """Row of a table.

    Attributes:
        number: Line of a text file on which it begins, from 1; row of a spreadsheet, from 1; place of a product in a
            list of JSON, in XML and in Parquet, from 1; or index of a row in memory, from 0.
        values: Values by column. Scalars are stripped text; lists and objects are those of JSON.
        short: Says that a row of text has fewer cells than the heading, whose last columns are missing; else empty.
    """

    number: int
    values: dict[str, Any]
    short: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a table, which are read when it is iterated, each time anew.

    Attributes:
        file: Name for messages.
        columns: Heading, or all keys that occur in rows.
        rows: Starts reading; rows that cannot be read are rejected.
        notes: What was found out about the file.
        repeated: Columns that occur more than once; the second is called `NAME (2)`.
    """

    file: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    notes: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def require(self, column: str, advice: str) -> None:
        """Raises a `UserError` with the nearest column and `advice` if `column` does not exist."""
        if column not in self.columns:
            raise self.lacks(column, advice)

    def lacks(self, column: str, advice: str) -> UserError:
        """Makes the `UserError` that `column` does not exist, with the nearest one and `advice`."""
        received = ", ".join(self.columns[:40]) + (
            f" and {len(self.columns) - 40} more" if len(self.columns) > 40 else ""
        )
        if not self.columns[1:]:
            advice += "; if this one column should be several, name the character between them by --delimiter"
        return UserError(
            f"{self.file} has no column {column!r}{nearest(column, self.columns)}; {advice}. "
            f"Received: {received:.1000}."
        )


def nearest(name: str, names: Sequence[str]) -> str:
    """Returns ` (the nearest is 'NAME')`, or an empty string if no name is similar."""
    by_lower_case = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f" (the nearest is {by_lower_case[close[0]]!r})" if close else ""


def read_table(
    file: TableFile, rejects: Rejects, options: TableOptions = TableOptions(), join_surplus: bool = False
) -> Table:
    """Opens a table: text with a delimiter, JSON, a spreadsheet, an XML feed or Parquet, by its content.

    Args:
        file: The file, which may be packed.
        rejects: Collects the rows that cannot be read, when the table is iterated.
        options: See `TableOptions`.
        join_surplus: Whether cells beyond the heading belong to the last column, whose commas were not quoted.

    Raises:
        UserError: if the file is no table, or what is wrong with it is wrong with all of it.
    """
    file = unpacked(file)
    head = file.head(1 << 16)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _renamed(file, (".xlsx", ".xlsm", ".ods", ".xls"), "an Excel file", _read_sheet(file, options))
    if head.startswith(b"PAR1"):
        return _renamed(file, (".parquet",), "a Parquet file", _read_parquet(file))
    encoding = encoding_of_file(file, options)
    start = head.decode(encoding.name, "replace").lstrip("\ufeff \t\r\n")
    lower = start[:4096].lower()
    if lower.startswith(("<!doctype html", "<html", "<head", "<body")) or (lower.startswith("<") and "<html" in lower):
        what = "a table in it; open it in Excel and save it as" if "<table" in lower else "perhaps an error; export"
        raise UserError(f"{file.name} looks like a web page (HTML) with {what} .xlsx or .csv.")
    if "urn:schemas-microsoft-com:office:spreadsheet" in lower:
        raise UserError(f"{file.name} looks like an Excel 2003 XML spreadsheet; save it as .xlsx or .csv.")
    if lower.startswith("<?xml") or (start.startswith("<") and file.suffix in (".xml", ".rss", ".atom")):
        return _renamed(file, (".xml", ".rss", ".atom"), "an XML feed", _read_feed(file, options))
    notes = (encoding.note,) if encoding.note else ()
    if file.suffix in (".jsonl", ".ndjson") and not start.startswith("["):
        return _read_json_lines(file, encoding.name, rejects, notes)
    if file.suffix in (".json", ".jsonl", ".ndjson") or _is_json(start):
        lines = _is_object(start.partition("\n")[0]) and bool(start.partition("\n")[2].strip())
        read = _read_json_lines if lines else _read_json
        return _renamed(file, (".json", ".jsonl", ".ndjson"), "JSON", read(file, encoding.name, rejects, notes))
    if file.suffix not in (*TABLE_SUFFIXES, ""):
        raise UserError(f"{file.name} must be a table: {', '.join(TABLE_SUFFIXES)}, or one of these with .gz.")
    text = Delimited(file, encoding, options.delimiter, join_surplus)
    return Table(
        file.name,
        tuple(filter(None, text.heading)),
        lambda: (Row(*row) for row in text.rows(rejects)),
        tuple(text.notes),
        text.repeated,
    )


def read_table_file(path: Path, rejects: Rejects, options: TableOptions = TableOptions()) -> Table:
    """Opens a table of the file system; see `read_table`."""
    return read_table(file_at(path), rejects, options)


def encoding_of_file(file: TableFile, options: TableOptions) -> Any:
    """Finds the encoding of a text file; see `encoding_of`."""
    with file.open() as binary:
        return encoding_of(binary, file.name, options.encoding)


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
        row = {str(column): scalar_as_text(plain_value(value)) for column, value in values.items()}
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeError:
            rejects.add(name, number, "is not UTF-8")
        except RecursionError:
            rejects.add(name, number, "is nested too deeply")
        else:
            readable.append(Row(number, row))
    return Table(name, _columns_of(row.values for row in readable), lambda: iter(readable))


def plain_value(value: Any) -> Any:
    """Turns a cell of a data frame into a JSON value: NumPy values to Python's, missing ones to None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    try:
        missing = bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        missing = True
    if missing or value is None or isinstance(value, bytes):
        return None
    return value if isinstance(value, str | bool | int | float) else str(value)


def scalar_as_text(value: Any) -> Any:
    """Turns a JSON scalar into text, null into empty text; lists and objects stay."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # spreadsheets and data frames with gaps have no integers
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def _columns_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    for row in rows:
        if not row.keys() <= columns.keys():
            columns.update(dict.fromkeys(row))
    return tuple(columns)


def _renamed(file: TableFile, suffixes: Sequence[str], kind: str, table: Table) -> Table:
    """Notes that a file is not what its suffix says."""
    if file.suffix in suffixes:
        return table
    note = f"{Path(file.name).name} looks like {kind} and was read as such"
    return Table(table.file, table.columns, table.rows, (note, *table.notes), table.repeated)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _is_json(start: str) -> bool:
    """Tells whether text of another suffix is JSON: a list of objects, or an object a line or in all."""
    line = start.partition("\n")[0].strip()
    is_list = start[:1] == "[" and start[1:].lstrip()[:1] == "{"
    return is_list or line == "{" or _is_object(line)


def _read_json_lines(file: TableFile, encoding: str, rejects: Rejects, notes: tuple[str, ...]) -> Table:
    def rows(rejects: Rejects) -> Iterator[Row]:
        with file.open() as binary, io.TextIOWrapper(binary, encoding, errors=MARKED) as text:
            for number, line in enumerate(text, start=1):
                if not line.strip():
                    continue
                try:
                    values = json_rows.parse(line.strip("\ufeff \t\n").removesuffix(","))
                except json_rows.ItemError as error:
                    rejects.add(file.name, number, str(error))
                    continue
                if isinstance(values := json_rows.unwrapped(values), dict):
                    yield Row(number, {key: scalar_as_text(value) for key, value in values.items()})
                else:
                    rejects.add(file.name, number, f"is not a JSON object. Received: {type(values).__name__}")

    wrong = Rejects("skip")
    columns = _columns_of(row.values for row in rows(wrong))
    if not columns and wrong.rows:
        raise UserError(
            f"{file.name}: no line of it is a JSON object, as .jsonl has them; line {wrong.rows[0].row} "
            f"{wrong.rows[0].reason}. If it is one JSON value, call it .json."
        )
    return Table(file.name, columns, lambda: rows(rejects), notes)


def _read_json(file: TableFile, encoding: str, rejects: Rejects, notes: tuple[str, ...]) -> Table:
    def lists() -> Iterator[tuple[tuple[str, ...], Any]]:
        with file.open() as binary, io.TextIOWrapper(binary, encoding, errors=MARKED, newline="\n") as text:
            yield from json_rows.JsonText(text, file.name).lists()

    columns: dict[tuple[str, ...], dict[str, None]] = {}
    for keys, item in lists():
        if isinstance(item := json_rows.unwrapped(item), dict) and (keys in columns or len(columns) < 100):
            known = columns.setdefault(keys, {})
            if not item.keys() <= known.keys():
                known.update(dict.fromkeys(item))
    ranked = sorted(columns, key=lambda keys: fields_named(list(columns[keys])), reverse=True)
    named = [fields_named(list(columns[keys])) for keys in ranked]
    if not ranked or (len(ranked) > 1 and named[0] < max(2, named[1] + 1)):
        return _table_of_object(file, encoding, rejects, notes, [".".join(keys) for keys in columns])
    wanted, names = ranked[0], columns[ranked[0]]
    if wanted:
        notes = (*notes, f"products are the list {'.'.join(wanted)!r}")

    def rows() -> Iterator[Row]:
        numbers = count(1)
        for keys, item in lists():
            if keys == wanted:
                number, item = next(numbers), json_rows.unwrapped(item)
                if not isinstance(item, dict):
                    rejects.add(file.name, number, f"is not a JSON object. Received: {type(item).__name__}")
                elif json_rows.is_text(item):
                    yield Row(number, {key: scalar_as_text(value) for key, value in item.items()})
                else:
                    rejects.add(file.name, number, "is not UTF-8")

    return Table(file.name, tuple(names), rows, notes)


def _table_of_object(
    file: TableFile, encoding: str, rejects: Rejects, notes: tuple[str, ...], lists: list[str]
) -> Table:
    """Reads an object that holds products by id, as pandas writes tables, or columns."""
    if lists and lists != [""]:
        found = f"{len(lists)} lists of objects ({', '.join(lists[:3])})"
        several = UserError(f"{file.name} holds {found}; give a file with one list of products.")
    else:
        several = None
    with file.open() as binary:
        data = binary.read(json_rows.MAX_ITEM)
    try:
        content = json_rows.parse(data.decode(encoding, MARKED).lstrip("\ufeff"))
    except json_rows.ItemError as error:
        raise several or UserError(f"{file.name} {error}; export the table again.") from None
    if isinstance(content, dict) and isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        rows = [dict(zip(map(str, content["columns"]), row)) for row in content["data"] if isinstance(row, list)]
    elif isinstance(content, dict) and content and all(isinstance(value, dict) for value in content.values()):
        if all(key.isdigit() for value in content.values() for key in value):  # by column, then by row
            keys = list(dict.fromkeys(key for value in content.values() for key in value))
            rows = [{column: value.get(key) for column, value in content.items()} for key in keys]
        else:
            rows = [{"id": key, **value} for key, value in content.items()]
    elif isinstance(content, dict) and fields_named(list(content)) > 2 and isinstance(content.get("id"), str | int):
        rows = [json_rows.unwrapped(content)]  # one product
    elif several:
        raise several
    elif isinstance(content, dict) and content and all(isinstance(value, list) for value in content.values()):
        if len({len(value) for value in content.values()}) > 1:
            raise UserError(f"{file.name} holds columns of different lengths; export the table again.")
        rows = [dict(zip(content, values)) for values in zip(*content.values())]
    elif isinstance(content, dict) and content:
        key, value = next(iter(content.items()))
        raise UserError(
            f"{file.name} holds no list of products, but one object whose keys are such as {key[:60]!r}: "
            f"{type(value).__name__}; give a list of objects, each with the fields of a product."
        )
    elif content in ([], {}):
        raise UserError(f"{file.name} is empty; give a list of objects, each with the fields of a product.")
    else:
        raise UserError(f"{file.name} holds no list of objects; give one, each with the fields of a product.")
    table = table_of_rows(rows, file.name, rejects)
    return Table(table.file, table.columns, table.rows, notes)


def _read_sheet(file: TableFile, options: TableOptions) -> Table:
    from kaleido.catalog.sheets import sheet_rows

    def read() -> Iterator[tuple[int, list[str]]]:
        with file.on_disk() as path:
            yield from enumerate(sheet_rows(path, file.name, options.sheet))

    cells = read()
    sheet, sheets = next(cells)[1]
    top = list(islice(((number, row) for number, row in cells if any(row)), MOST_TITLES))
    cells.close()
    if not top:
        raise UserError(f"{file.name} is empty; give a table whose first row names its columns.")
    place = heading_row([row for _, row in top])
    first, heading = top[place]
    plain = [" ".join(name.split()) for name in heading]
    plain[0] = plain[0] or UNNAMED
    names = numbered(plain)

    def rows() -> Iterator[Row]:
        for number, row in read():
            if number > first and any(row):
                yield Row(number, {name: cell.strip() for name, cell in zip(names, row) if name})

    notes = (f"the sheet {sheet!r} of {sheets}",) if sheets != "1" else ()
    notes += tuple(titles_above(row for _, row in top[:place]))
    return Table(file.name, tuple(filter(None, names)), rows, notes, repeated(plain))


def _read_feed(file: TableFile, options: TableOptions) -> Table:
    from kaleido.catalog.feed import feed_rows

    def rows() -> Iterator[Row]:
        with file.open() as binary:
            for number, values in feed_rows(binary, file.name, options.encoding):
                yield Row(number, {name: scalar_as_text(value) for name, value in values.items()})

    return Table(file.name, _columns_of(row.values for row in rows()), rows)


def _read_parquet(file: TableFile) -> Table:
    from kaleido.catalog.parquet import parquet_columns, parquet_rows

    def rows() -> Iterator[Row]:
        with file.on_disk() as path:
            for number, values in enumerate(parquet_rows(path, file.name), start=1):
                yield Row(number, {name: scalar_as_text(plain_value(value)) for name, value in values.items()})

    with file.on_disk() as path:
        columns = parquet_columns(path, file.name)
    return Table(file.name, columns, rows)
