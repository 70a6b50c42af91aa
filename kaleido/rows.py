"""Rows as files."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kaleido.atomic import write_atomically


def write_jsonl(path: Path, rows: Iterable[Mapping]) -> None:
    """Writes one JSON object a line."""
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def write_csv(path: Path, rows: Iterable[Sequence]) -> None:
    """Writes rows, the first of which names the columns."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_atomically(path, text.getvalue().encode())
