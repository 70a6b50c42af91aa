"""Imports: from a user's products and photos to a catalogue on disk, with an account of the rows left out."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kaleido.atomic import write_atomically
from kaleido.catalog.files import is_finished, read_header, write_catalog
from kaleido.catalog.folder import import_folder, products_of_table, table_path
from kaleido.catalog.imported import Imported
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.rejects import OnError, Rejects
from kaleido.catalog.sample import sample
from kaleido.catalog.sources import open_source
from kaleido.catalog.table import table_of_rows
from kaleido.errors import UserError
from kaleido.rows import jsonl_bytes

REJECTS, FETCHED_PHOTOS = "rejects.jsonl", "photos"

PathLike = str | os.PathLike[str]
Columns = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options that all imports share.

    Attributes:
        name: Name of the catalogue; the name of its folder if None.
        on_error: `stop` raises at a row that cannot be used, `skip` leaves it out.
        sample: Share of the products to keep, in (0, 1].
        overwrite: Whether a catalogue made with other arguments is replaced.
    """

    name: str | None = None
    on_error: OnError = "stop"
    sample: float = 1.0
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Result of an import.

    Attributes:
        directory: Folder of the catalogue.
        products: Number of products in it.
        photos: Number of photos in it.
        left_out: Number of rows that could not be used; they are listed in `rejects.jsonl`.
        already_there: Whether the catalogue was finished before, with the same arguments, so that nothing was done.
    """

    directory: Path
    products: int
    photos: int
    left_out: int = 0
    already_there: bool = False

    def __str__(self) -> str:
        if self.already_there:
            return f"{self.directory}: there already, from the same arguments; --overwrite imports again."
        text = f"{self.directory}: {self.products:,} products, {self.photos:,} photos."
        if self.left_out:
            text += f"\nleft out: {self.left_out:,} rows, listed with reasons in {self.directory / REJECTS}"
        return text


def import_table(
    source: PathLike,
    table: PathLike,
    out: PathLike,
    columns: Columns | None = None,
    photo_options: PhotoOptions = PhotoOptions(),
    options: ImportOptions = ImportOptions(),
) -> ImportSummary:
    """Makes a catalogue of a table of products and a folder or zip of photos, as `Catalog.from_table` describes."""
    named = _lists(columns)
    table = table_path(source, table)
    arguments = {"source": os.path.abspath(source), "table": table, "columns": named, **photo_options.as_json()}
    rejects = Rejects(options.on_error)
    fetch_to = Path(out) / FETCHED_PHOTOS
    return _import(
        lambda: import_folder(source, table, rejects, named, photo_options, fetch_to),
        "folder",
        arguments,
        out,
        rejects,
        options,
    )


def import_rows(
    rows: Iterable[Mapping[str, Any]],
    source: PathLike,
    out: PathLike,
    columns: Columns | None = None,
    photo_options: PhotoOptions = PhotoOptions(),
    options: ImportOptions = ImportOptions(),
) -> ImportSummary:
    """Makes a catalogue of rows in memory and a folder or zip of photos, as `Catalog.from_dataframe` describes."""
    named = _lists(columns)
    rejects = Rejects(options.on_error)
    table = table_of_rows(rows, "data frame", rejects)
    content = json.dumps([[row.number, row.values] for row in table]).encode()
    arguments = {
        "source": os.path.abspath(source),
        "rows": hashlib.sha256(content).hexdigest(),
        "columns": named,
        **photo_options.as_json(),
    }
    fetch_to = Path(out) / FETCHED_PHOTOS
    return _import(
        lambda: products_of_table(open_source(source), table, rejects, named, photo_options, fetch_to),
        "folder",
        arguments,
        out,
        rejects,
        options,
    )


def import_splits(
    kind: str, paths: Mapping[str, PathLike], out: PathLike, options: ImportOptions = ImportOptions()
) -> ImportSummary:
    """Makes a catalogue of a published data set.

    Args:
        kind: `fashion-gen` or `fashion-small`.
        paths: Files or folders by split: `train`, `validation`, `test`; for `fashion-small` the empty split leaves the
            choice to `prepare`.
        out: Folder of the catalogue.
        options: See `ImportOptions`.
    """
    if kind == "fashion-gen":
        from kaleido.catalog.fashion_gen import import_fashion_gen as read  # needs h5py
    else:
        from kaleido.catalog.fashion_small import import_fashion_small as read
    arguments = {split or "source": os.path.abspath(path) for split, path in paths.items()}
    rejects = Rejects(options.on_error)
    return _import(lambda: read(paths, rejects), kind, arguments, out, rejects, options)


def _import(
    read: Callable[[], Imported],
    kind: str,
    arguments: Mapping[str, Any],
    out: PathLike,
    rejects: Rejects,
    options: ImportOptions,
) -> ImportSummary:
    """Reads products and writes them, unless the catalogue of the same arguments is there.

    Args:
        read: Returns the products and fills `rejects`.
        kind: Kind of the catalogue.
        arguments: Arguments that are not in `options`, as JSON values.
        out: Folder of the catalogue.
        rejects: Rows that cannot be used.
        options: See `ImportOptions`.
    """
    out = Path(out)
    importer = {**arguments, "name": options.name or "", "on_error": options.on_error}
    if options.sample != 1:
        importer["sample"] = options.sample
    if is_finished(out, importer, options.overwrite):
        header = read_header(out) or {}
        return ImportSummary(out, header["products"], header["photos"], already_there=True)
    imported = read()
    if not imported.products and rejects.rows:
        first = rejects.rows[0]
        raise UserError(
            f"{first.file}: none of its rows can be used, so there is no product; row {first.row}: {first.reason}."
        )
    products = sample(imported.products, options.sample)
    if rejects.rows:
        write_atomically(out / REJECTS, jsonl_bytes(map(asdict, rejects.rows)))
    else:
        (out / REJECTS).unlink(missing_ok=True)
    write_catalog(out, options.name or out.resolve().name, kind, imported.sources, products, importer)
    return ImportSummary(out, len(products), sum(len(product.photos) for product in products), len(rejects.rows))


def _lists(columns: Columns | None) -> dict[str, list[str]]:
    return {field: [names] if isinstance(names, str) else list(names) for field, names in (columns or {}).items()}
