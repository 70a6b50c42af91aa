"""Spreadsheets (.xlsx, .ods, .xls), read in a process of its own whose memory is limited.

A spreadsheet of some kilobytes may claim billions of cells, and the library that reads it holds all of a sheet.
"""

import contextlib
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.programs import ProgramFailed, lines_of, program

_SILENCE = 600.0
"""Seconds without a row after which the process counts as stuck."""

_LEAST_MEMORY, _MOST_MEMORY, _MEMORY_RATIO = 2 << 30, 6 << 30, 60


def sheet_rows(path: Path, name: str, sheet: str | None) -> Iterator[list[str]]:
    """Yields the name and number of the sheets that are read, then the texts of every row.

    Args:
        path: The spreadsheet.
        name: Its name for messages.
        sheet: Name of the sheet; by default the first with two rows or more.

    Raises:
        UserError: if it cannot be read.
    """
    with missing_extras_named():
        import python_calamine  # noqa: F401
    memory = min(max(_LEAST_MEMORY, _MEMORY_RATIO * path.stat().st_size), _MOST_MEMORY)
    command = [sys.executable, "-m", "kaleido.catalog.sheets", str(path), str(memory), sheet or ""]
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        with program(command, None, stdout=subprocess.PIPE, env={**os.environ, **paths}) as process:
            assert process.stdout
            for line in lines_of(process.stdout, _SILENCE):
                row = json.loads(line)
                if isinstance(row, dict):
                    raise UserError(f"{name}: {row['error']}.")
                yield row
            code = process.wait(_SILENCE)
    except ProgramFailed as error:
        raise UserError(f"{name} looks like an Excel file, and cannot be read ({error}); save it as CSV.") from None
    if code:
        raise UserError(
            f"{name} looks like an Excel file, and its sheet cannot be read within {memory >> 20:,} MB; save it as CSV."
        )


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)


def _main(path: str, memory: int, wanted: str) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    from python_calamine import CalamineError, CalamineWorkbook

    write = sys.stdout.write
    try:
        book = CalamineWorkbook.from_path(path)
        names = book.sheet_names
        if wanted and wanted not in names:
            raise ValueError(f"there is no sheet {wanted!r}; its sheets are {', '.join(names)}")
        filled = {}
        for name in [wanted] if wanted else names:
            sheet = book.get_sheet_by_name(name)
            filled[name] = sheet.height
            if sheet.height > 1:
                break
        else:
            name = max(filled, key=filled.__getitem__)
            sheet = book.get_sheet_by_name(name)
        write(json.dumps([name, str(len(names))]) + "\n")
        for row in sheet.iter_rows():
            write(json.dumps([_text(cell) for cell in row]) + "\n")
    except (CalamineError, OSError, ValueError) as error:
        kind = "is protected by a password" if "assword" in str(error) else f"cannot be read ({error})"
        write(json.dumps({"error": f"looks like an Excel file, and {kind}; save it again, or as CSV"}) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
