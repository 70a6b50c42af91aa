"""Imports: from a user's products and photos to a catalogue on disk, with an account of the rows left out."""

import gc
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kaleido.atomic import write_atomically
from kaleido.catalog.categories import name_classes
from kaleido.catalog.content import changes, content_of
from kaleido.catalog.files import is_finished, read_header, write_catalog
from kaleido.catalog.folder import import_folder, products_of_table, table_path
from kaleido.catalog.imported import Imported
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.product_lines import HeldProducts
from kaleido.catalog.rejects import OnError, Rejects
from kaleido.catalog.sample import sample
from kaleido.catalog.sources import open_source
from kaleido.catalog.summary import REJECTS, ImportSummary, summary_of
from kaleido.catalog.table import TableOptions, table_of_rows
from kaleido.catalog.tally import Tally
from kaleido.errors import UserError
from kaleido.locks import folder_locked
from kaleido.rows import jsonl_bytes

FETCHED_PHOTOS, CONTENT = "photos", "content"

PathLike = str | os.PathLike[str]
Columns = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options that all imports share.

    Attributes:
        name: Name of the catalogue; the name of its folder if None.
        on_error: `stop` raises at a row that cannot be used, `skip` leaves it out.
        sample: Share of the products to keep, in (0, 1].
        overwrite: Whether a catalogue made with other arguments, or of files that were edited since, is replaced.
        empty: Words that mean an empty cell; None for the usual ones.
        merge_labels: Whether spellings of a category that differ in case or space are made one.
        category_levels: Levels of category paths that are category and sub-category; see `categories.name_classes`.
    """

    name: str | None = None
    on_error: OnError = "stop"
    sample: float = 1.0
    overwrite: bool = False
    empty: Sequence[str] | None = None
    merge_labels: bool = False
    category_levels: Sequence[int] | None = None

    def __post_init__(self):
        levels = self.category_levels
        if levels is not None and (len(levels) not in (1, 2) or not all(1 <= level <= 20 for level in levels)):
            raise UserError(
                f"--category-levels must be one or two levels of a path, from 1, such as 1 2. Received: {list(levels)}."
            )

    def as_json(self) -> dict[str, Any]:
        """The options that change the catalogue, without those that have their defaults."""
        values: dict[str, Any] = {"name": self.name or "", "on_error": self.on_error}
        if self.sample != 1:
            values["sample"] = self.sample
        if self.empty is not None:
            values["empty"] = list(self.empty)
        if self.merge_labels:
            values["merge_labels"] = True
        if self.category_levels is not None:
            values["category_levels"] = list(self.category_levels)
        return values


def import_table(
    source: PathLike,
    table: PathLike,
    out: PathLike,
    columns: Columns | None = None,
    photo_options: PhotoOptions = PhotoOptions(),
    options: ImportOptions = ImportOptions(),
    reading: TableOptions = TableOptions(),
) -> ImportSummary:
    """Makes a catalogue of a table of products and a folder or zip of photos, as `Catalog.from_table` describes."""
    named = _lists(columns)
    table = table_path(source, table)
    arguments = {"source": os.path.abspath(source), "table": table, "columns": named, **photo_options.as_json()}
    arguments |= {key: value for key, value in asdict(reading).items() if value is not None and key != "empty"}
    reading = replace(reading, empty=options.empty)
    rejects = Rejects(options.on_error)
    fetch_to = Path(out) / FETCHED_PHOTOS
    return _import(
        lambda: import_folder(source, table, rejects, named, photo_options, fetch_to, reading),
        "folder",
        arguments,
        out,
        rejects,
        options,
        lambda: content_of(source, table, Path(out)),
    )


def read_products_of_table(
    source: PathLike,
    table: PathLike,
    rejects: Rejects,
    columns: Columns | None = None,
    photo_options: PhotoOptions = PhotoOptions(),
    fetch_to: Path | None = None,
    reading: TableOptions = TableOptions(),
) -> Imported:
    """Reads the products of a table as an import does, and writes nothing.

    Args:
        source: Folder or zip that photo paths are relative to.
        table: The table.
        rejects: Takes the rows that cannot be used.
        columns: Columns by field, as `Catalog.from_table` takes them.
        photo_options: How photos are found.
        fetch_to: Folder for downloaded photos.
        reading: How the file is read.

    Raises:
        UserError: if a file or column is missing, no row can be used, or a row is rejected and `rejects` stops.
    """
    name = table_path(source, table)
    imported = import_folder(source, name, rejects, _lists(columns), photo_options, fetch_to, reading)
    return _refined(imported, rejects, ImportOptions(), name)


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
    reading = TableOptions(empty=options.empty)
    return _import(
        lambda: products_of_table(open_source(source), table, rejects, named, photo_options, fetch_to, reading=reading),
        "folder",
        arguments,
        out,
        rejects,
        options,
        lambda: content_of(source, None, Path(out)),
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
    return _import(lambda: read(paths, rejects, options.empty), kind, arguments, out, rejects, options)


def _import(
    read: Callable[[], Imported],
    kind: str,
    arguments: Mapping[str, Any],
    out: PathLike,
    rejects: Rejects,
    options: ImportOptions,
    content: Callable[[], dict[str, Any]] | None = None,
) -> ImportSummary:
    """Reads products and writes them, unless the catalogue of the same arguments and files is there.

    Args:
        read: Returns the products and fills `rejects`.
        kind: Kind of the catalogue.
        arguments: Arguments that are not in `options`, as JSON values.
        out: Folder of the catalogue.
        rejects: Rows that cannot be used.
        options: See `ImportOptions`.
        content: Describes the files that are read; None where changes are not looked for.

    Raises:
        UserError: if another process writes the folder, it holds another catalogue, or nothing can be imported.
    """
    with folder_locked(Path(out)):
        return _import_alone(read, kind, arguments, Path(out), rejects, options, content)


def _import_alone(
    read: Callable[[], Imported],
    kind: str,
    arguments: Mapping[str, Any],
    out: Path,
    rejects: Rejects,
    options: ImportOptions,
    content: Callable[[], dict[str, Any]] | None,
) -> ImportSummary:
    importer = {**arguments, **options.as_json()}
    there = None if options.overwrite else read_header(out)
    before = there["importer"].get(CONTENT) if there else None
    if is_finished(out, importer | ({CONTENT: before} if before else {}), options.overwrite):
        header = read_header(out) or {}
        if before and content and (changed := changes(before, content())):
            raise UserError(
                f"{out} holds the catalogue of files that were edited since: {'; '.join(changed)}; import them again "
                "with --overwrite, or choose another --out."
            )
        return ImportSummary(out, header["products"], header["photos"], already_there=True)
    if content:
        with suppress(UserError, OSError):  # what is missing is told by the import itself
            importer[CONTENT] = content()
    # Nothing that is made here refers to itself, and the collector would look at all products again and again.
    gc.disable()
    try:
        imported = read()
    finally:
        gc.enable()
    products = _refined(imported, rejects, options, arguments.get("table", "the input")).products
    if rejects.rows:
        write_atomically(out / REJECTS, jsonl_bytes(map(asdict, rejects.rows)))
    else:
        (out / REJECTS).unlink(missing_ok=True)
    tally = Tally()
    write_catalog(out, options.name or out.resolve().name, kind, imported.sources, products, importer, tally.add)
    return summary_of(out, tally, rejects.rows, imported.notes)


def _refined(imported: Imported, rejects: Rejects, options: ImportOptions, place: PathLike) -> Imported:
    """Keeps the share of the products that is asked for, and finds levels and spellings of their categories.

    Raises:
        UserError: if there is no product; it names `place`, or the first row that cannot be used.
    """
    if not imported.products and not rejects.rows:
        raise UserError(f"{place}: there is no product, as no rows follow the heading.")
    if not imported.products:
        first = rejects.rows[0]
        raise UserError(
            f"{first.file}: none of its rows can be used, so there is no product; row {first.row}: {first.reason}."
        )
    products = imported.products if isinstance(imported.products, HeldProducts) else HeldProducts(imported.products)
    sample(products, options.sample)
    labels = Counter(products.labels())
    changed = name_classes(labels, options.category_levels, options.merge_labels, imported.notes)
    for place, product in enumerate(products) if changed else ():
        if names := changed.get((product.category, product.subcategory)):
            products[place] = replace(product, category=names[0], subcategory=names[1])
    return replace(imported, products=products)


def _lists(columns: Columns | None) -> dict[str, list[str]]:
    return {field: [names] if isinstance(names, str) else list(names) for field, names in (columns or {}).items()}
