"""Tables as text with a delimiter: CSV, TSV and their kin, whose dialect is found by parsing."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kaleido.catalog.headings import heading_row
from kaleido.catalog.rejects import Rejects
from kaleido.catalog.table_file import TableFile
from kaleido.catalog.text_encoding import MARKED, TextEncoding
from kaleido.errors import UserError

MAX_CELL = 10_000_000
"""Longest cell, in characters."""

MOST_BLANK = 2_000_000
"""Blank rows of a table at most; a spreadsheet's whole sheet has half as many."""

_HEAD = 1 << 20
MOST_TITLES = 20
"""First rows among which the heading is looked for."""

UNNAMED = "Unnamed: 0"
"""Name of a first column that has none: the index of a data frame, called as pandas calls it."""

_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_SAID = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe"}
_SEP = re.compile(r'^"?sep=(.)"?\s*(?:\r\n|\r|\n|$)', re.IGNORECASE)
# Text as a formula, by which exports keep Excel from taking zeros off.
_FORMULA = re.compile(r'^="([^"]*)"$')
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Dialect(NamedTuple):
    """Describes how cells are divided.

    Attributes:
        delimiter: Character between cells.
        escape: Character before a quotation mark within a cell; None where it is doubled.
        quoted: Whether quotation marks enclose cells.
        skipped: Lines before the heading that only name the delimiter.
        wrapped: Whether each line is enclosed in quotation marks as a whole, as it is when a CSV is saved as one cell.
        spaced: Whether spaces after a delimiter are none of the cell, so that a quotation mark may follow them.
    """

    delimiter: str
    escape: str | None = None
    quoted: bool = True
    skipped: int = 0
    wrapped: bool = False
    spaced: bool = False

    def reader(self, lines: Iterable[str]) -> Any:
        """Makes a csv reader. Without `strict`, a quotation mark that is never closed would swallow what follows."""
        csv.field_size_limit(MAX_CELL)
        if self.wrapped:
            lines = (record[0] if record else "" for record in csv.reader(lines))
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            escapechar=self.escape,
            doublequote=self.escape is None,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            skipinitialspace=self.spaced,
            strict=True,
        )


class Delimited:
    """Text with a delimiter.

    Args:
        file: The file.
        encoding: Its encoding.
        delimiter: Delimiter that the user gives; None to find it.
        join_surplus: Whether fields beyond the heading belong to the last column, whose commas were not quoted.

    Attributes:
        heading: Names of the columns, stripped; a repeated one is numbered: `image`, `image (2)`.
        repeated: Names that occur more than once.
        notes: What was found out about the file.

    Raises:
        UserError: if there is no heading, or no row has as many cells.
    """

    def __init__(
        self, file: TableFile, encoding: TextEncoding, delimiter: str | None = None, join_surplus: bool = False
    ):
        self._file, self._encoding, self._join_surplus = file, encoding, join_surplus
        with file.open() as binary, self._text(binary) as text:
            head = text.read(_HEAD)
        whole = len(head) < _HEAD
        if not whole:
            head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
        self.dialect = _dialect(head, whole, delimiter, join_surplus)
        self._has_formulas = '="' in head
        self.notes = [encoding.note] if encoding.note else []
        if self.dialect.delimiter != ("\t" if file.suffix == ".tsv" else ","):
            self.notes.append(f"cells divided by {_SAID.get(self.dialect.delimiter, repr(self.dialect.delimiter))}")
        self.heading, self._heading_line = self._read_heading(head)
        if not self.heading[0] and self.heading[1:]:
            self.heading[0] = UNNAMED
        self.repeated = repeated(self.heading)
        self.heading = numbered(self.heading)
        named = [place for place, name in enumerate(self.heading) if name]
        if named and (nameless := named[-1] + 1 - len(named)):
            self.notes.append(f"columns without a name, left out: {nameless}")
        self._check_rows(head, whole)

    def rows(self, rejects: Rejects) -> Iterator[tuple[int, dict[str, str], str]]:
        """Reads the rows with the line that each begins on, or rejects them.

        Of a row that has fewer cells than the heading, only these are given, and the last value says so.
        """
        names = self.heading
        width = len(names)
        keep = [place for place, name in enumerate(names) if name]
        least = keep[-1] + 1 if keep else 0
        dense = len(keep) == width
        suspect = not self._encoding.clean
        blank = 0
        with self._file.open() as binary, self._text(binary) as text:
            for number, fields, last in self._records(text, rejects):
                if number <= self._heading_line:
                    continue
                if self._join_surplus and len(fields) > width:
                    fields[width - 1 :] = [self.dialect.delimiter.join(fields[width - 1 :])]
                fields = [field.strip() for field in fields]
                if not any(fields):
                    blank += 1
                    if blank > MOST_BLANK:
                        raise UserError(
                            f"{self._file.name}: more than {MOST_BLANK:,} blank rows, up to row {number}; export the "
                            "table again, or remove them."
                        )
                    continue
                if self._has_formulas:
                    fields = [_FORMULA.sub(r"\1", field) for field in fields]
                if fields[0][:1] == "\ufeff":  # files that were joined
                    fields[0] = fields[0].lstrip("\ufeff").strip('"')
                short = len(fields) < least
                if short or any(fields[width:]):
                    extent = f" (it ends on line {last})" if last > number else ""
                    problem = f"has {len(fields)} fields where the heading has {width}{extent}"
                if not short and any(fields[width:]):
                    rejects.add(self._file.name, number, problem)
                elif suspect and _NO_TEXT.search("\n".join(fields)):
                    wrong = next(name for name, field in zip(names, fields) if _NO_TEXT.search(field))
                    rejects.add(self._file.name, number, f"column {wrong!r} {self._fault(''.join(fields))}")
                elif short:
                    yield number, {name: field for name, field in zip(names, fields) if name}, problem
                elif dense:
                    yield number, dict(zip(names, fields)), ""
                else:
                    yield number, {names[place]: fields[place] for place in keep}, ""

    def _text(self, binary: Any) -> io.TextIOWrapper:
        return io.TextIOWrapper(binary, self._encoding.name, errors=MARKED, newline="")

    def _records(self, text: Any, rejects: Rejects) -> Iterator[tuple[int, list[str], int]]:
        """Yields number of the first line, cells and number of the last line of every record."""
        skipped = self.dialect.skipped
        for _ in range(skipped):
            text.readline()
        reader = self.dialect.reader(text)
        while True:
            number = reader.line_num + 1
            try:
                yield number + skipped, next(reader), reader.line_num + skipped
            except StopIteration:
                return
            except csv.Error as error:
                last = reader.line_num + skipped
                rejects.add(self._file.name, number + skipped, f"is not CSV ({error}; it ends on line {last})")

    def _read_heading(self, head: str) -> tuple[list[str], int]:
        text = io.StringIO(head, newline="")
        for _ in range(self.dialect.skipped):
            text.readline()
        reader = self.dialect.reader(text)
        first: list[tuple[list[str], int]] = []
        while len(first) < MOST_TITLES:
            try:
                fields = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if not first:
                    raise UserError(f"{self._file.name}, row 1: is not CSV ({error}); correct the heading.") from error
                break
            if any(field.strip() for field in fields):
                first.append((fields, reader.line_num + self.dialect.skipped))
        if not first:
            raise UserError(f"{self._file.name} is empty; give a table whose first line names its columns.")
        place = heading_row([fields for fields, _ in first])
        self.notes += titles_above(fields for fields, _ in first[:place])
        fields, line = first[place]
        heading = [" ".join(field.replace("\ufeff", "").split()) for field in fields]
        if _NO_TEXT.search("".join(heading)):
            raise UserError(
                f"{self._file.name}, row 1: {self._fault(''.join(heading))}; save the table as UTF-8, or name its "
                "encoding by --encoding."
            )
        return heading, line

    def _fault(self, text: str) -> str:
        if "\0" in text:
            return "has a zero byte"
        return f"is not {self._encoding.name.upper().removesuffix('-SIG')}"

    def _check_rows(self, head: str, whole: bool) -> None:
        """Raises a `UserError` if several rows were looked at and all have one wrong number of cells."""
        width = len(self.heading)
        rows = _sample(self.dialect, head, whole)[1:]
        counts = {len(row) for row in rows}
        if self._join_surplus or len(rows) < 2 or len(counts) > 1 or width in counts:
            return
        least = max((place for place, name in enumerate(self.heading, start=1) if name), default=0)
        if max(counts) < least or all(any(row[width:]) for row in rows):
            raise UserError(
                f"{self._file.name}: all rows have {max(counts)} cells where the heading has {width}; correct the "
                f"heading or name the character between cells by --delimiter. Received: {', '.join(self.heading[:10])}"
            )


def _dialect(head: str, whole: bool, delimiter: str | None, join_surplus: bool) -> Dialect:
    named = _SEP.match(head.removeprefix("\ufeff"))
    skipped = 1 if named else 0
    if delimiter is not None:
        given = _NAMES.get(delimiter.lower(), delimiter)
        if len(given) != 1 or given in '"\r\n':
            raise UserError(
                f"--delimiter must be one character, or one of {', '.join(_NAMES)}. Received: {delimiter!r}."
            )
        candidates = given
    else:
        candidates = named[1] if named else "," if join_surplus else ",;\t|^"
    dialects = [Dialect(candidate, None, True, skipped) for candidate in candidates]
    if '\\"' in head:
        dialects += [Dialect(candidate, "\\", True, skipped) for candidate in candidates]
    dialects += [Dialect(candidate, None, False, skipped) for candidate in candidates if candidate in "\t|"]
    dialects += [
        Dialect(candidate, None, True, skipped, spaced=True) for candidate in candidates if f'{candidate} "' in head
    ]
    best = max(dialects, key=lambda dialect: _merit(_sample(dialect, head, whole)))
    if _merit(_sample(best, head, whole))[0] or '"' not in head:
        return best
    dialects = [dialect._replace(wrapped=True) for dialect in dialects if dialect.quoted]
    unwrapped = max(dialects, key=lambda dialect: _merit(_sample(dialect, head, whole)))
    return unwrapped if _merit(_sample(unwrapped, head, whole))[0] else best


def _merit(records: list[list[str]]) -> tuple[bool, float, int]:
    """Rates a dialect: whether there are several columns, the share of rows with as many cells, number of columns."""
    width = len(records[0]) if records else 0
    if width < 2:
        return (False, 0.0, 0)
    alike = sum(len(record) == width for record in records[1:]) / (len(records) - 1) if len(records) > 1 else 0.0
    return (True, alike, width)


def _sample(dialect: Dialect, head: str, whole: bool) -> list[list[str]]:
    """Records of the head that are not blank; a broken one is an empty list."""
    text = io.StringIO(head, newline="")
    for _ in range(dialect.skipped):
        text.readline()
    reader = dialect.reader(text)
    records: list[list[str]] = []
    while len(records) < 1000:
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error:
            records.append([])
            continue
        if any(field.strip() for field in record):
            records.append(record)
    if not whole and len(records) > 2:
        records.pop()
    return records[heading_row(records[:MOST_TITLES]) :]


def titles_above(rows: Iterable[Sequence[str]]) -> list[str]:
    """Says in a line what stands above the heading; nothing if nothing does."""
    texts = [" ".join(" ".join(row).split())[:60] for row in rows]
    more = f" and {len(texts) - 2} more rows" if texts[2:] else ""
    return [f"left out above the heading: {', '.join(map(repr, texts[:2]))}{more}"] if texts else []


def numbered(names: Sequence[str]) -> list[str]:
    """Makes repeated names different, by numbers."""
    taken = set(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        while name and seen[name] > 1 and f"{name} ({seen[name]})" in taken:
            seen[name] += 1
        unique.append(f"{name} ({seen[name]})" if name and seen[name] > 1 else name)
    return unique


def repeated(names: Sequence[str]) -> tuple[str, ...]:
    """Names that occur more than once."""
    return tuple(name for name, times in Counter(names).items() if name and times > 1)
