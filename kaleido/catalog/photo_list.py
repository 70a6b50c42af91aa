"""Lists of photos without a catalogue: those of a folder, or those of a table with their texts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kaleido.catalog.photo_cells import PhotoCells
from kaleido.catalog.product import Product
from kaleido.catalog.rejects import Reject, Rejects, RowError
from kaleido.catalog.row_reader import PHOTOS, FieldRow, RowReader, resolve_columns
from kaleido.catalog.sources import FolderSource, Source, open_source
from kaleido.catalog.table import Table, read_table_file
from kaleido.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
"""File name suffixes of photos in a folder."""

FIELDS = ("id", "title", "description", PHOTOS)

Texts = Literal["required", "optional", "unused"]

_SHORT = {"text": "title", "photo": PHOTOS}
"""Short names of columns that a table of photos may have."""


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """Photo with its text.

    Attributes:
        path: Path in the list's source.
        text: Title and description joined, as a product's text; empty if there is none.
        key: Columns that identify the photo in results: `photo`; for a table also `row` and, if it has one, `id`.
        place: `FILE, row N` for messages; empty for a folder.
    """

    path: str
    text: str
    key: Mapping[str, str | int]
    place: str = ""


@dataclass(frozen=True, slots=True)
class PhotoList:
    """Photos in order, at least one.

    Attributes:
        name: Name of the folder or table.
        source: Folder or zip with the photos.
        photos: Photos with their texts.
        rejects: Rows of the table that cannot be used.
    """

    name: str
    source: Source
    photos: tuple[ListedPhoto, ...]
    rejects: list[Reject] = field(default_factory=list)


def photos_of_folder(directory: Path) -> PhotoList:
    """Lists the photos of a folder and its sub-folders, sorted by path, without hidden files.

    Raises:
        UserError: if the folder does not exist or has no photo.
    """
    source = FolderSource(directory)
    files = (path for path in source.path.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    paths = sorted(path.relative_to(directory).as_posix() for path in files if not path.name.startswith("."))
    if not paths:
        raise UserError(f"{directory}: no photos here; give a folder with {', '.join(SUFFIXES)} files")
    return PhotoList(source.path.name, source, tuple(ListedPhoto(path, "", {"photo": path}) for path in paths))


def photo_of_file(path: Path) -> PhotoList:
    """Lists the photo of one file."""
    return PhotoList(path.name, FolderSource(path.parent), (ListedPhoto(path.name, "", {"photo": path.name}),))


def photos_of_table(
    table: Path,
    rejects: Rejects,
    source: str | os.PathLike[str] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
    separators: str = "|;",
    texts: Texts = "optional",
) -> PhotoList:
    """Lists the photos of a table, each with the text of its row; a row may have several photos.

    The columns are `photo`, `text` and optionally `id`, or those that `catalog import` takes: `photos`, `title`,
    `description`.

    Args:
        table: A `.csv` or `.jsonl` file.
        rejects: Collects the rows that cannot be used.
        source: Folder or zip that photo paths are relative to; the table's folder if None.
        columns: Columns of `id`, `text` (or `title` and `description`) and `photo` (which may have several), if they
            have other names.
        separators: Characters between the photos of one cell.
        texts: `required` in every row; `optional`, in a column that must exist; or `unused`.

    Raises:
        UserError: if a file or column is missing, no row is left, or a row is rejected and `rejects` stops.
    """
    rows = read_table_file(Path(table), rejects)
    resolved = _resolve(columns or {}, rows, texts)
    photos = open_source(source or Path(table).parent)
    reader = RowReader(resolved)
    cells = PhotoCells(photos, reader.photo_columns, separators)
    found: list[ListedPhoto] = []
    for row in rows:
        with rejects.row(rows.file, row.number):
            listed = _listed(reader.read(row), cells, rows.file, bool(resolved["id"]))
            if texts == "required" and not listed[0].text:
                raise RowError("has no text")
            found += listed
    if not found and not rejects.rows:
        raise UserError(f"{table} has no row that can be used; give a table with a row for each photo.")
    if not found:
        raise UserError(f"{table}: no row can be used; the first: {rejects.rows[0].reason}.")
    return PhotoList(Path(table).name, photos, tuple(found), rejects.rows)


def _resolve(columns: Mapping[str, Sequence[str]], table: Table, texts: Texts) -> dict[str, tuple[str, ...]]:
    given = {_SHORT.get(name, name): names for name, names in columns.items()}
    resolved = resolve_columns(given, table, FIELDS)
    if "text" in table.columns and "title" not in given:
        resolved["title"] = ("text",)
        if "description" not in given:
            resolved["description"] = ()
    if not resolved[PHOTOS]:
        table.require("photo", "name it with --columns photo=COLUMN")
    if texts == "unused":
        resolved |= {"title": (), "description": ()}
    elif not resolved["title"] and not resolved["description"]:
        table.require("text", "name it with --columns text=COLUMN")
    return resolved


def _listed(row: FieldRow, cells: PhotoCells, file: str, has_ids: bool) -> list[ListedPhoto]:
    text = Product("", row.fields["title"], (), row.fields["description"]).text
    paths = cells.paths(row)
    cells.check(paths)
    own = {"row": row.number} | ({"id": row.fields["id"]} if has_ids else {})
    return [ListedPhoto(path, text, {**own, "photo": path}, f"{file}, row {row.number}") for path in paths]
