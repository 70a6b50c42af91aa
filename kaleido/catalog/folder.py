"""Import of a table of products and a folder or zip of photos."""

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from kaleido.catalog.columns import PHOTOS, FieldColumns, resolve_columns
from kaleido.catalog.imported import Imported
from kaleido.catalog.merging import products_of_rows
from kaleido.catalog.notes import Notes
from kaleido.catalog.photos import PhotoOptions, Photos
from kaleido.catalog.rejects import Rejects
from kaleido.catalog.row_reader import CellReader, RowReader
from kaleido.catalog.sources import FileSource, Source, open_source
from kaleido.catalog.table import Table, TableOptions, read_table, read_table_file
from kaleido.catalog.table_file import file_at, file_in_zip, is_table_name
from kaleido.errors import UserError

_LOOKED_AT, _LOOKED_INTO = 100_000, 100
"""Files of a source among which tables are looked for, and rows in which ids are."""

FIELDS = ("id", "title", "description", "category", "subcategory", "split", PHOTOS)


def import_folder(
    source: str | os.PathLike[str],
    table: str | os.PathLike[str],
    rejects: Rejects,
    columns: Mapping[str, Sequence[str]] | None = None,
    photo_options: PhotoOptions = PhotoOptions(),
    fetch_to: Path | None = None,
    reading: TableOptions = TableOptions(),
) -> Imported:
    """Reads a table file of products and finds their photos; see `products_of_table`.

    Args:
        source: Folder or zip with the photos.
        table: A table inside `source`, or else anywhere.
        rejects: Collects the rows that cannot be used.
        columns, photo_options, fetch_to, reading: As in `products_of_table`.
    """
    photos = open_source(source)
    table = Path(table)
    inside = not photos.problem(table.as_posix())
    folder = table.parent.as_posix() if inside else os.path.relpath(table.parent, source)
    read = _open_table(photos, table, rejects, reading)
    return products_of_table(photos, read, rejects, columns, photo_options, fetch_to, folder, reading)


def products_of_table(
    photos: Source,
    table: Table,
    rejects: Rejects,
    columns: Mapping[str, Sequence[str]] | None = None,
    photo_options: PhotoOptions = PhotoOptions(),
    fetch_to: Path | None = None,
    table_folder: str = "",
    reading: TableOptions = TableOptions(),
) -> Imported:
    """Makes products of a table's rows and finds their photos.

    A product may have several photos: in several columns; in one cell, with separators or as a list or object in JSON
    or Python's form; or on several rows with the same id, whose other fields must be equal or empty. Without a column
    of photos a product's only photo is `images/ID.jpg`, or with another suffix. Where rejects are skipped, a photo that
    cannot be used is left out alone, and a product whose photos all cannot.

    Args:
        photos: Folder or zip that photo paths are relative to.
        table: Rows to read.
        rejects: Collects the rows that cannot be used.
        columns: Columns by field: `id`, `title`, `description`, `category`, `subcategory`, `split` and `photos` (which
            may have several); a field that is not given is read from a column with one of its usual names, if there is
            one. Without a column for `id`, products have the numbers of their rows as ids.
        photo_options: How photos are found and checked.
        fetch_to: Folder for downloaded photos.
        table_folder: Folder that the table lies in, as a path from `photos`; `..` is the one that these lie in.
        reading: How the table is read.

    Raises:
        UserError: if a file or column is missing, or a row is rejected and `rejects` stops.
    """
    notes = Notes()
    resolved = _with_ids(_resolve(columns or {}, table, photo_options.photo), table, rejects)
    notes.describe(table, resolved)
    if not resolved["id"]:
        notes.say("products have the numbers of their rows as ids")
    if photo_options.photo or not resolved[PHOTOS]:
        notes.say(f"photos are {photo_options.photo or 'images/ID.jpg, as no column names them'}")
    reader = RowReader(resolved, notes, reading.empty)
    found = Photos(photos, reader.photo_columns, photo_options, notes, table.columns, table_folder, fetch_to)
    products = products_of_rows(table, reader, found, rejects, notes, resolved.others)
    return Imported(found.sources, products, notes)


def table_path(source: str | os.PathLike[str], table: str | os.PathLike[str]) -> str:
    """Returns the path of a table as `catalog.json` records it: relative to `source` if it lies inside."""
    table = Path(table)
    folder = Path(os.path.abspath(source))
    return (table.relative_to(folder) if table.is_relative_to(folder) else table).as_posix()


def _open_table(photos: Source, table: Path, rejects: Rejects, reading: TableOptions) -> Table:
    name = table.as_posix()
    problem = photos.problem(name)
    if not problem or problem.endswith("is an empty file") or "is too large" in problem:
        file = file_in_zip(photos.path, name) if photos.kind == "zip" else file_at(photos.path / name)
        return read_table(file, rejects, reading)
    if not os.path.isfile(table):
        # Of a folder with a million photos only the first files are looked at.
        files = islice(photos.names(), _LOOKED_AT) if isinstance(photos, FileSource) else ()
        names = sorted(path for _, path in files if is_table_name(path))
        there = f" Tables there: {', '.join(names[:5])}." if names else ""
        raise UserError(
            f"{photos.path}: the table {problem}, and no such file exists elsewhere; name it with --table.{there}"
        )
    return read_table_file(table, rejects, reading)


def _with_ids(resolved: FieldColumns, table: Table, rejects: Rejects) -> FieldColumns:
    """Reads ids from the next column that could have them, if the first has none in the first rows.

    Files that are made for the import of a shop leave the column of its own numbers empty.
    """
    candidates = [*resolved["id"], *resolved.others.get("id", ())]
    if len(candidates) < 2:
        return resolved
    before = len(rejects.rows)
    cells = CellReader(Notes())
    rows = [{name: row.values.get(name, "") for name in candidates} for row in islice(table, _LOOKED_INTO)]
    del rejects.rows[before:]  # these are read again
    filled = [
        name for name in candidates if any(isinstance(row[name], str) and not cells.is_empty(row[name]) for row in rows)
    ]
    if not filled or filled[0] == candidates[0]:
        return resolved
    others = {**resolved.others, "id": tuple(name for name in candidates if name != filled[0])}
    return FieldColumns({**resolved.columns, "id": (filled[0],)}, others)


def _resolve(columns: Mapping[str, Sequence[str]], table: Table, photo: str | None) -> FieldColumns:
    resolved = resolve_columns(columns, table, FIELDS)
    if not resolved["id"] and "id" not in columns:
        raise table.lacks("id", "name it with --columns id=COLUMN, or have the rows numbered by --columns id=")
    if not resolved["id"] and not resolved[PHOTOS] and not photo:
        raise table.lacks("photos", "name it with --columns photos=COLUMN")
    if not resolved["title"] and not resolved["description"]:
        raise table.lacks("title", "name it with --columns title=COLUMN or description=COLUMN")
    return resolved
