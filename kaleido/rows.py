"""Encodes rows as CSV and JSON lines."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence


def jsonl_bytes(rows: Iterable[Mapping]) -> bytes:
    """Encodes one JSON object a line, in UTF-8."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def csv_bytes(rows: Iterable[Sequence]) -> bytes:
    """Encodes rows, the first of which names the columns, in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
