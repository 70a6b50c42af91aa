"""Lists of photos without a catalogue: those of a folder, or those of a table with their texts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kaleido.catalog.columns import PHOTOS, FieldColumns, plain_name, resolve_columns
from kaleido.catalog.merging import merge_rows
from kaleido.catalog.notes import Notes
from kaleido.catalog.photos import PhotoOptions, Photos
from kaleido.catalog.product import Product
from kaleido.catalog.rejects import Reject, Rejects
from kaleido.catalog.row_reader import RowReader
from kaleido.catalog.sources import FolderSource, Source, open_source
from kaleido.catalog.table import Table, TableOptions, read_table_file
from kaleido.errors import UserError
from kaleido.pictures import SUFFIXES

if TYPE_CHECKING:
    import numpy as np

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
        source: Source of the photo, where it is not the list's.
    """

    path: str
    text: str
    key: Mapping[str, str | int]
    place: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class PhotoList:
    """Photos in order, at least one.

    Attributes:
        name: Name of the folder or table.
        source: Folder or zip with the photos.
        photos: Photos with their texts.
        rejects: Rows of the table, and photos, that cannot be used.
        notes: How the table was read, and what was merged or found otherwise than it is written.
    """

    name: str
    source: Source
    photos: tuple[ListedPhoto, ...]
    rejects: list[Reject] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)

    def read(self, photo: ListedPhoto) -> "bytes | np.ndarray":
        """Reads a photo as `Source.read` does."""
        return (photo.source or self.source).read(photo.path)


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
    photo_options: PhotoOptions = PhotoOptions(check_photos=False),
    texts: Texts = "optional",
    fetch_to: Path | None = None,
    reading: TableOptions = TableOptions(),
) -> PhotoList:
    """Lists the photos of a table, each with the text of its row; a row may have several photos.

    Rows with one id are merged as in an import (`merge_rows`): a row without a text has that of its product.

    The columns are `photo`, `text` and optionally `id`, or those that `catalog import` takes: `photos`, `title`,
    `description`.

    Args:
        table: A table of any format that `read_table` reads.
        rejects: Collects the rows that cannot be used.
        source: Folder or zip that photo paths are relative to; the table's folder if None.
        columns: Columns of `id`, `text` (or `title` and `description`) and `photo` (which may have several), if they
            have other names.
        photo_options: How photos are found.
        texts: `required` in every row; `optional`, in a column that must exist; or `unused`.
        fetch_to: Folder for downloaded photos.
        reading: How the table is read.

    Raises:
        UserError: if a file or column is missing, no row is left, or a row is rejected and `rejects` stops.
    """
    rows = read_table_file(Path(table), rejects, reading)
    resolved = _resolve(columns or {}, rows, texts, bool(photo_options.photo))
    notes = Notes()
    notes.describe(rows, resolved)
    reader = RowReader(resolved, notes, reading.empty)
    # The table's folder is where paths start, unless they start elsewhere.
    source = open_source(source or Path(table).parent)
    folder = os.path.relpath(Path(table).parent, source.path)
    photos = Photos(source, reader.photo_columns, photo_options, notes, rows.columns, folder, fetch_to)
    found: list[tuple[int, ListedPhoto]] = []
    for product in merge_rows(rows, reader, photos, rejects, notes, listing=True).drain():
        text = Product("", product.fields["title"], (), product.fields["description"]).text
        if texts == "required" and not text:
            for number in dict.fromkeys(product.photos.values()):
                rejects.add(rows.file, number, "has no text")
            continue
        for uri, number in product.photos.items():
            name, _, path = uri.partition("/")
            own = {"row": number} | ({"id": product.fields["id"]} if resolved["id"] else {})
            key = {**own, "photo": photos.addresses.get(uri, path)}
            found.append((number, ListedPhoto(path, text, key, f"{rows.file}, row {number}", photos.sources[name])))
    if not found and not rejects.rows:
        raise UserError(f"{table} has no row that can be used; give a table with a row for each photo.")
    if not found:
        raise UserError(f"{table}: no row can be used; the first: {rejects.rows[0].reason}.")
    listed = tuple(photo for _, photo in sorted(found, key=itemgetter(0)))
    return PhotoList(Path(table).name, photos.sources[PHOTOS], listed, rejects.rows, notes)


def _resolve(columns: Mapping[str, Sequence[str]], table: Table, texts: Texts, has_template: bool) -> FieldColumns:
    given = {_SHORT.get(name, name): names for name, names in columns.items()}
    if "text" in columns:
        given.setdefault("description", [])
    whole = [column for column in table.columns if plain_name(column) == "text"]
    if whole and "title" not in given:
        given = {"title": whole[:1], "description": [], **given}
    if texts == "unused":
        given |= {"title": [], "description": []}
    resolved = resolve_columns(given, table, FIELDS)
    if not resolved[PHOTOS] and not has_template:
        raise table.lacks("photo", "name it with --columns photo=COLUMN")
    if texts != "unused" and not resolved["title"] and not resolved["description"]:
        raise table.lacks("text", "name it with --columns text=COLUMN")
    return resolved
