"""Products with their photos, from a catalogue, a folder of photos or a table."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.files import HEADER
from kaleido.catalog.importing import read_products_of_table
from kaleido.catalog.photo_list import photos_of_folder
from kaleido.catalog.photos import PHOTOS, PhotoOptions
from kaleido.catalog.product import Photo, Product
from kaleido.catalog.rejects import OnError, Rejects
from kaleido.catalog.sources import Source
from kaleido.catalog.table import TableOptions
from kaleido.catalog.table_file import TABLE_SUFFIXES, is_table_name
from kaleido.errors import UserError


@dataclass(frozen=True)
class TableReading:
    """Options of reading a table of products, as `catalog import folder` reads it.

    Attributes:
        columns: Columns by field where they have other names; see `Catalog.from_table`.
        source: Folder or zip that photo paths are relative to; None is the table's folder.
        photos: How photos are found.
        table: How the file is read.
        fetch_to: Folder for downloaded photos.
    """

    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    source: str | os.PathLike[str] | None = None
    photos: PhotoOptions = PhotoOptions(check_photos=False)
    table: TableOptions = TableOptions()
    fetch_to: Path | None = None


@dataclass(frozen=True)
class Products:
    """Products in order, at least one, and access to their photos.

    Attributes:
        place: Catalogue, folder or table that they come from, for messages.
        products: The products; those of a folder have one photo each and no text.
        notes: How a table was read.
        skipped: Rows of a table that were left out, a line each.
    """

    place: str
    products: Sequence[Product]
    sources: Mapping[str, Source] | Catalog
    notes: Sequence[str] = ()
    skipped: Sequence[str] = ()

    def read(self, uri: str) -> bytes | np.ndarray:
        """Reads a photo as `Catalog.read` does."""
        if isinstance(self.sources, Catalog):
            return self.sources.read(uri)
        name, _, path = uri.partition("/")
        return self.sources[name].read(path)

    def locate(self, uri: str) -> str:
        """Returns the path of a photo for messages."""
        if isinstance(self.sources, Catalog):
            return self.sources.locate(uri)
        name, _, path = uri.partition("/")
        return f"{self.sources[name].path / path}"


def open_products(
    source: str | os.PathLike[str] | Catalog | Products,
    reading: TableReading = TableReading(),
    on_error: OnError = "stop",
) -> Products:
    """Opens a catalogue, a folder of photos, or a table.

    Args:
        source: A catalogue or its folder; a folder with photos, also in sub-folders; or a table with ids, titles and
            photos.
        reading: How a table is read.
        on_error: What an unusable row of a table does.

    Raises:
        UserError: if it is none of these, or a row cannot be used.
    """
    if isinstance(source, Products):
        return source
    if isinstance(source, Catalog):
        return Products(str(source.directory), source.products, source)
    path = Path(source)
    if not path.is_dir() and is_table_name(path.name):
        rejects = Rejects(on_error)
        imported = read_products_of_table(
            reading.source or path.parent,
            path.absolute(),
            rejects,
            reading.columns,
            reading.photos,
            reading.fetch_to,
            reading.table,
        )
        notes = [*imported.notes.lines, *imported.notes.counted()]
        skipped = [f"skipped row {one.row} of {one.file}: {one.reason}" for one in rejects.rows]
        return Products(str(path), imported.products, imported.sources, notes, skipped)
    if not path.exists():
        raise UserError(f"{path} does not exist; name a catalogue, a folder of photos, or a table")
    if not path.is_dir():
        raise UserError(
            f"{path}: give a catalogue, a folder of photos, or a table that ends in {', '.join(TABLE_SUFFIXES)}"
        )
    if reading != TableReading():
        raise UserError(f"{path}: options of a table go with a table. Received: a folder")
    if (path / HEADER).is_file():
        catalog = Catalog.open(path)
        return Products(str(path), catalog.products, catalog)
    photos = photos_of_folder(path)
    products = [Product(one.path, "", (Photo(one.path, f"{PHOTOS}/{one.path}"),)) for one in photos.photos]
    return Products(str(path), products, {PHOTOS: photos.source})


def stamp_of(photo: bytes | np.ndarray) -> str:
    """Computes the checksum of a photo's content, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(photo, np.ndarray):
        digest.update(repr(photo.shape).encode())
        photo = photo.tobytes()
    digest.update(photo)
    return digest.hexdigest()
