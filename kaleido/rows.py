"""Encodes rows as CSV and JSON lines."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_ESCAPED = ContextVar("formulas in CSV are escaped", default=True)
_FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBERS = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?(\|[+-]?\d+(\.\d+)?(e[+-]?\d+)?)*", re.IGNORECASE)


def jsonl_bytes(rows: Iterable[Mapping]) -> bytes:
    """Encodes one JSON object a line, in UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def csv_bytes(rows: Iterable[Sequence]) -> bytes:
    """Encodes rows, the first of which names the columns, in UTF-8.

    A text that a spreadsheet could run as a formula gets an apostrophe before it, as OWASP recommends against CSV
    injection: one that begins with `=`, `+`, `-`, `@`, a tab or a line break. Numbers stay, and so does everything
    inside `formulas_escaped(False)`.
    """
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_harmless(cell) for cell in row] if _ESCAPED.get() else row for row in rows)
    return text.getvalue().encode()


@contextmanager
def formulas_escaped(escaped: bool) -> Iterator[None]:
    """Switches in `csv_bytes`, inside the `with` block, whether texts like formulas are escaped."""
    token = _ESCAPED.set(escaped)
    try:
        yield
    finally:
        _ESCAPED.reset(token)


def _harmless(cell: Any) -> Any:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBERS.fullmatch(cell):
        return f"'{cell}"
    return cell
