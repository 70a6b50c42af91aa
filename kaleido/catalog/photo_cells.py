"""Photos that the cells of a row name: one or several, in the forms in which tables hold them."""

import ast
import json
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kaleido.catalog.json_rows import is_text
from kaleido.catalog.photo_finder import has_suffix, is_address
from kaleido.catalog.rejects import RowError
from kaleido.catalog.row_reader import FieldRow
from kaleido.catalog.table import nearest
from kaleido.errors import UserError

SEPARATORS = "|;,\n"
"""Characters that divide the photos of a cell, where the whole cell is no file."""

_KEYS = ("url", "src", "path", "href", "image", "file", "filename", "originalSrc", "link", "contentUrl")
"""Keys of objects that name a photo, the likeliest first."""

_WITHIN = ("node", "nodes", "edges", "data", "attributes", "fields", "preview", "items")
_SIZES = ("original", "full", "xlarge", "large", "medium", "small", "thumbnail")
"""Keys of objects that hold others which name photos, or the same photo in several sizes, the largest first."""

_DEEPEST = 10
"""Objects within one another that are looked into."""

_LONGEST_LIST = 1_000_000
"""Characters of a list in text that are parsed."""

_BRACKETS = {"[": "]", "{": "}", "(": ")"}

_PATH = re.compile(r"\w[\w./-]*")

_NO_COMMA = re.compile(r"(['\"])\s+(?=['\"])")
"""Between two texts of a list that NumPy printed."""

_MOST = 1000
"""Most photos between separators that a cell may name."""

_RUN = 4
"""Most pieces between separators that are tried as one file name."""


class PhotoCells:
    """Reads what photos the rows of a table name.

    Args:
        columns: Columns of photos; without any, and without a template, a photo is called like its product's id.
        separators: Characters between the photos of one cell.
        template: Path built from columns, such as `images/{id:.3}/{id}.jpg`; None reads the columns of photos.
        exists: Tells whether a text names a photo that is there.
    """

    def __init__(
        self,
        columns: Sequence[str],
        separators: str,
        template: "PhotoTemplate | None",
        exists: Callable[[str], bool],
    ):
        self._columns = columns
        self._template = template
        self._exists = exists
        self._separator = re.compile(f"([{re.escape(separators)}])") if separators else None
        # Addresses may contain commas and semicolons; these divide only what goes on with another address.
        self._between_addresses = re.compile(r"\s*[|\n]\s*|(?:\s*[,;]\s*|\s+)(?=(?:https?:)?//)")

    def references(self, row: FieldRow) -> list[str]:
        """Lists the paths and addresses of a row's photos, in order.

        Raises:
            RowError: if a cell holds something else.
        """
        if self._template:
            return [path] if (path := self._template.path(row)) else []
        if not self._columns:
            return [self._named_by_id(row.fields["id"])] if row.fields["id"] else []
        return [one for cell in row.photos for one in ((cell,) if self._is_path(cell) else self._of(cell))]

    @property
    def place(self) -> str:
        """Names the place that photos are read from, for messages."""
        return "--photo" if self._template else ", ".join(self._columns)

    def _named_by_id(self, product_id: str) -> str:
        paths = [f"images/{product_id}{suffix}" for suffix in (".jpg", ".jpeg", ".png", ".webp", "")]
        return next((path for path in paths if self._exists(path)), paths[0])

    def _is_path(self, cell: Any) -> bool:
        """Tells whether a cell is plainly one path, as nearly all are; `_of` takes five times as long."""
        return (
            isinstance(cell, str)
            and bool(_PATH.fullmatch(cell))
            and not (self._separator and self._separator.search(cell))
        )

    def _of(self, cell: Any, depth: int = 0, level: int = 0) -> Iterator[str]:
        if cell is None or (isinstance(cell, float) and cell != cell):
            return
        if isinstance(cell, str):
            yield from self._of_text(cell.strip(), depth)
        elif isinstance(cell, list | tuple) and depth < 1:
            for item in cell:
                yield from self._of(item, depth + 1, level)
        elif isinstance(cell, Mapping) and (keys := [key for key in _KEYS if isinstance(cell.get(key), str)]):
            if text := cell[keys[0]].strip():
                yield text
        elif isinstance(cell, Mapping) and (inner := _inside(cell)) is not None and level < _DEEPEST:
            yield from self._of(inner, 0 if isinstance(inner, list) else 1, level + 1)
        else:
            columns = ", ".join(map(repr, self._columns))
            raise RowError(f"column {columns} must hold a path or a list of paths")

    def _of_text(self, text: str, depth: int) -> Iterator[str]:
        if not text:
            return
        if depth or self._separator is None or text.startswith("data:"):
            yield text
        elif is_address(text):
            yield from filter(None, self._between_addresses.split(text))
        elif text[0] in "[{(" and not self._exists(text) and (values := _parsed(text)) is not None:
            yield from self._of(values)
        elif _BRACKETS.get(text[0]) == text[-1] and not self._exists(text):
            # A list without quotes, as PostgreSQL and YAML write it.
            yield from self._of_text(text[1:-1].replace('"', "").strip(), depth)
        elif not self._separator.search(text):
            yield from self._spaced(text)
        elif self._exists(text):
            yield text
        else:
            for piece in self._pieces(self._separator.split(text)):
                yield from self._spaced(piece)

    def _pieces(self, parts: list[str]) -> Iterator[str]:
        """Joins parts, which alternate with their separators, to the longest runs that are files.

        Of a run that is none, all up to the first suffix of a photo belongs together.

        Raises:
            RowError: if there are too many.
        """
        if len(parts) > 2 * _MOST:
            raise RowError(f"a cell of {self.place} divides into more than {_MOST:,} photos")
        start = 0
        while start < len(parts):
            ends = range(start + 1, min(start + 2 * _RUN, len(parts) + 1), 2)
            runs = {end: "".join(parts[start:end]).strip() for end in ends}
            end = next((end for end in reversed(ends) if runs[end] and self._exists(runs[end])), 0)
            end = end or next((end for end in ends if has_suffix(runs[end])), start + 1)
            if runs[end]:
                yield runs[end]
            start = end + 1

    def _spaced(self, text: str) -> Iterator[str]:
        """Divides a text at spaces, if it is no file and everything between them is like one."""
        parts = re.split(r"(\s+)", text)
        if len(parts) > 1 and not self._exists(text):
            pieces = list(self._pieces(parts))
            if all(is_address(piece) or has_suffix(piece) or self._exists(piece) for piece in pieces):
                yield from pieces
                return
        yield text


def _inside(cell: Mapping[str, Any]) -> Any:
    """Returns what an object holds in place of a photo's path; None if there is none."""
    for key in (*_KEYS, *_WITHIN, *_SIZES):
        if isinstance(inner := cell.get(key), list | Mapping) or (inner and key in _SIZES and isinstance(inner, str)):
            return inner
    return None


class PhotoTemplate:
    """Path of a photo, built from a row's columns: `images/{id:.3}/{id}.jpg`.

    Args:
        text: The template. A field is the name of a column, or `id`, `title` and so on; `:.3` takes three characters.
        columns: Columns of the table.
        fields: Names of fields.

    Raises:
        UserError: if the template is invalid or names no column.
    """

    def __init__(self, text: str, columns: Sequence[str], fields: Sequence[str]):
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise UserError(f"--photo: {error}; write for example 'images/{{id}}.jpg'. Received: {text!r}") from None
        self._parts: list[tuple[str, str, int | None]] = []
        for literal, name, length, conversion in parsed:
            name = "" if name is None else name
            if conversion or not re.fullmatch(r"(\.\d{1,4})?", length or ""):
                raise UserError(f"--photo: a field is {{COLUMN}} or {{COLUMN:.3}}. Received: {text!r}")
            if name and name not in columns and name not in fields:
                known = tuple(dict.fromkeys((*columns, *fields)))
                raise UserError(f"--photo: there is no column {name!r}{nearest(name, known)}. Received: {text!r}")
            self._parts.append((literal, name, int(length[1:]) if length else None))
        if not any(name for _, name, _ in self._parts):
            raise UserError(f"--photo: names no column; write for example 'images/{{id}}.jpg'. Received: {text!r}")

    def path(self, row: FieldRow) -> str:
        """Builds the path; empty if a column is."""
        built = ""
        for literal, name, length in self._parts:
            value = row.values.get(name, "") if name in row.values else row.fields.get(name, "")
            if not isinstance(value, str):
                raise RowError(f"column {name!r} must hold text. Received: a {type(value).__name__}")
            if name and not value:
                return ""
            built += literal + value[:length]
        return built


def _parsed(text: str) -> Any:
    """Parses a list or object in JSON or Python's form; None if it is neither."""
    if len(text) > _LONGEST_LIST:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            values = parse(text if parse is json.loads else _NO_COMMA.sub(r"\1, ", text))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(values, list | tuple | dict) and is_text(values):
            return values
    return None
