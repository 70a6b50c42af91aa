"""The catalogue that users and the rest of the package open: products, and access to their photos."""

import hashlib
import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaleido.catalog import importing, product_json
from kaleido.catalog.files import HEADER, PRODUCTS, check_products, read_header
from kaleido.catalog.importing import ImportOptions
from kaleido.catalog.photo_cells import SEPARATORS
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.product import Product
from kaleido.catalog.product_lines import ProductFile
from kaleido.catalog.rejects import OnError
from kaleido.catalog.sources import KINDS, Source, open_source
from kaleido.catalog.table import TableOptions
from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS
from kaleido.progress import progress_bars

if TYPE_CHECKING:
    import numpy as np


class Catalog:
    """Products with their texts and photos, made by `open`, `from_table`, `from_dataframe` or `wardrobe`.

    Attributes:
        directory: Folder of the catalogue.
        name: Name of the catalogue.
        kind: `folder`, `fashion-gen`, `fashion-small` or `wardrobe`.
        products: All products, sorted by id. Each is read from `products.jsonl` when it is asked for, so that a loop
            over a million of them takes no memory, and looking at one twice reads it twice.
    """

    def __init__(
        self, directory: Path, name: str, kind: str, products: Sequence[Product], sources: Mapping[str, Source]
    ):
        self.directory = directory
        self.name = name
        self.kind = kind
        self.products = products
        self._sources = sources

    @classmethod
    def open(cls, directory: str | os.PathLike[str], each: Callable[[Product], object] | None = None) -> "Catalog":
        """Opens a finished catalogue.

        Args:
            directory: Folder of the catalogue.
            each: Called with each product in turn, all of which are read to be checked.

        Raises:
            UserError: if there is no finished catalogue, it is damaged, or one of its sources is missing.
        """
        directory = Path(directory)
        header = read_header(directory)
        if header is None:
            raise UserError(
                f"{directory} holds no finished catalogue (no catalog.json); make one with "
                "`kaleido catalog import` or `kaleido catalog generate`."
            )
        sources = {name: _open_source(directory, name, source) for name, source in header["sources"].items()}
        products = ProductFile(directory / PRODUCTS)
        if len(products) != header["products"]:
            raise UserError(
                f"{directory / PRODUCTS} has {len(products)} products and catalog.json says {header['products']}; "
                "import again with --overwrite."
            )
        try:
            is_sorted = check_products(products, each or (lambda _: None))
        except UserError as error:
            if str(error).startswith(str(directory)):
                raise
            raise UserError(f"{directory / PRODUCTS}: {error} Import again with --overwrite.") from None
        if not is_sorted:
            products.sort()
        return cls(directory, header["name"], header["kind"], products, sources)

    @classmethod
    def from_table(
        cls,
        table: str | os.PathLike[str],
        out: str | os.PathLike[str] | None = None,
        *,
        columns: Mapping[str, str | Sequence[str]] | None = None,
        source: str | os.PathLike[str] | None = None,
        separators: str = SEPARATORS,
        photo: str | None = None,
        photo_root: str | None = None,
        fetch_photos: bool = False,
        check_photos: bool = True,
        max_megapixels: float = MAX_MEGAPIXELS,
        name: str | None = None,
        on_error: OnError = "stop",
        sample: float = 1.0,
        overwrite: bool = False,
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        empty: Sequence[str] | None = None,
        merge_labels: bool = False,
        category_levels: Sequence[int] | None = None,
    ) -> "Catalog":
        """Makes a catalogue of a table of products and a folder or zip of photos; the photos stay where they are.

        The same as `kaleido catalog import folder`. If `out` already holds the catalogue of the same arguments and
        unchanged files, it is opened. Several rows with one id are one product with several photos.

        Args:
            table: A table in any of the formats of `table_file.TABLE_SUFFIXES`, or its name inside `source`.
            out: Folder of the catalogue; by default `STEM.catalog` beside the table. Files of other origin in it are
                never replaced.
            columns: Table columns by field: `id`, `title`, `description`, `category`, `subcategory`, `split` and
                `photos`, for example `{"id": "artikel", "photos": ["bild1", "bild2"]}`. A field that is not given is
                read from the column of one of its usual names. Without a column of photos, photos are
                `images/ID.jpg`.
            source: Folder or zip that photo paths are relative to; by default the table's folder.
            separators: Characters between the photos of one cell, where the whole cell is no file.
            photo: Path of a photo built from columns instead of the column `photos`: `images/{id:.3}/{id}.jpg`.
            photo_root: Folder or zip with the photos, or folder of the source, in which they are found by their file
                names alone.
            fetch_photos: Whether addresses that no file answers to are downloaded to the folder `photos` of `out`.
            check_photos: Whether the header of every photo is read, so that unusable ones are known at once.
            max_megapixels: Largest photo, in millions of pixels, in (0, 178]; a larger JPEG or JPEG 2000 is decoded at
                a reduced size if that fits.
            name: Name of the catalogue; by default the name of the folder `out`.
            on_error: Treatment of rows and photos that cannot be used: `stop` raises an error, `skip` lists them in
                `rejects.jsonl`; a product with one usable photo stays.
            sample: Share of the products to keep, in (0, 1], chosen by their ids.
            overwrite: Whether a catalogue made with other arguments, or of files that were edited since, is replaced.
            encoding: Encoding of a text table, such as `cp1252`; by default it is found.
            delimiter: Character between the cells of a text table, or `tab`; by default it is found.
            sheet: Sheet of a spreadsheet; by default the first with rows.
            empty: Words that mean an empty cell, in any case, instead of NaN, NULL, None, N/A, - and their like.
            merge_labels: Whether categories that differ in case or space alone become one, in the most frequent
                spelling.
            category_levels: Levels of category paths such as `A > B > C` that are category and sub-category; by
                default 1 and 2 where there are paths and no sub-categories.

        Raises:
            UserError: if a file, column or photo is missing, or `out` holds something else.
        """
        table = Path(table)
        if os.path.isfile(table):
            table = Path(os.path.abspath(table))
        out = Path(out) if out is not None else table.with_name(f"{table.stem}.catalog")
        options = ImportOptions(name, on_error, sample, overwrite, empty, merge_labels, category_levels)
        photos = PhotoOptions(photo, photo_root, separators, fetch_photos, check_photos, max_megapixels)
        reading = TableOptions(encoding, delimiter, sheet)
        importing.import_table(source or table.parent, table, out, columns, photos, options, reading)
        return cls.open(out)

    @classmethod
    def from_dataframe(
        cls,
        frame: Any,
        out: str | os.PathLike[str],
        *,
        source: str | os.PathLike[str],
        columns: Mapping[str, str | Sequence[str]] | None = None,
        separators: str = SEPARATORS,
        photo: str | None = None,
        photo_root: str | None = None,
        fetch_photos: bool = False,
        check_photos: bool = True,
        max_megapixels: float = MAX_MEGAPIXELS,
        name: str | None = None,
        on_error: OnError = "stop",
        sample: float = 1.0,
        overwrite: bool = False,
        empty: Sequence[str] | None = None,
        merge_labels: bool = False,
        category_levels: Sequence[int] | None = None,
    ) -> "Catalog":
        """Makes a catalogue of rows in memory and a folder or zip of photos; the photos stay where they are.

        Args:
            frame: A pandas DataFrame, anything else with `to_dict("records")`, or an iterable of mappings. None and
                NaN are empty cells; a cell of photos may hold a list. Messages count rows from 0.
            out: Folder of the catalogue.
            source: Folder or zip that photo paths are relative to.
            columns, separators, photo, photo_root, fetch_photos, check_photos, max_megapixels, name, on_error, sample,
                overwrite, empty, merge_labels, category_levels: As in `from_table`.

        Raises:
            UserError: if a column or photo is missing, or `out` holds something else.
        """
        rows: Iterable[Mapping[str, Any]] = frame.to_dict("records") if hasattr(frame, "to_dict") else frame
        options = ImportOptions(name, on_error, sample, overwrite, empty, merge_labels, category_levels)
        photos = PhotoOptions(photo, photo_root, separators, fetch_photos, check_photos, max_megapixels)
        importing.import_rows(rows, source, out, columns, photos, options)
        return cls.open(out)

    @classmethod
    def wardrobe(
        cls,
        out: str | os.PathLike[str],
        products: int = 1500,
        *,
        seed: int = 0,
        photo_size: int = 192,
        workers: int | None = None,
        overwrite: bool = False,
        progress: bool = True,
    ) -> "Catalog":
        """Draws the wardrobe: products with photos, texts, masks and the places of the parts that the texts name.

        An interrupted call goes on where it stopped; a finished wardrobe of the same arguments is opened.

        Args:
            out: Folder of the catalogue.
            products: Number of products.
            seed: Seed of every random choice; the same seed gives the same bytes.
            photo_size: Width and height of the photos in pixels.
            workers: Processes that draw; one a CPU core by default.
            overwrite: Whether a wardrobe that is there is drawn anew.
            progress: Whether a progress bar is shown.

        Raises:
            UserError: if an argument is out of range or `out` holds something else.
        """
        generator = importlib.import_module("kaleido.wardrobe.catalog")  # the wardrobe is built on this package
        with progress_bars(progress):
            generator.generate_wardrobe(out, products, seed, photo_size, workers, overwrite)
        return cls.open(out)

    def __len__(self) -> int:
        return len(self.products)

    def __repr__(self) -> str:
        return f"Catalog({str(self.directory)!r}, {len(self):,} products, {self.photo_count:,} photos)"

    @cached_property
    def photo_count(self) -> int:
        """Number of photos of all products."""
        return sum(len(product.photos) for product in self.products)

    def read(self, uri: str) -> "bytes | np.ndarray":
        """Reads a photo or mask by its `SOURCE/PATH`: encoded bytes, or uint8 [H, W, 3] from HDF5; thread-safe.

        Raises:
            UserError: if it is missing or damaged.
        """
        source, path = self._place(uri)
        return source.read(path)

    def locate(self, uri: str) -> str:
        """Returns the path of a photo or mask for messages: its source, then the file, member or row."""
        source, path = self._place(uri)
        return f"{source.path}, {path}"

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the products and of the sizes or checksums of their photos, not of their paths."""
        digest = hashlib.sha256()
        for product in self.products:
            digest.update(product_json.encode(product).encode())
            for photo in product.photos:
                source, path = self._place(photo.uri)
                digest.update(source.stamp(path).encode())
        return digest.hexdigest()

    def _place(self, uri: str) -> tuple[Source, str]:
        name, _, path = uri.partition("/")
        if name not in self._sources:
            raise UserError(f"{self.directory} has no source {name!r}. Received: {uri!r}.")
        return self._sources[name], path


def _open_source(directory: Path, name: str, source: Any) -> Source:
    """Opens a source by its entry in `catalog.json`."""
    if source["kind"] not in [*KINDS]:
        raise UserError(
            f"{directory / HEADER}: the source {name!r} needs a path and a kind, one of {', '.join(KINDS)}."
        )
    path = directory / source["path"]
    if not os.path.exists(path):
        raise UserError(
            f"{path}, the source {name!r} of the catalogue {directory}, is gone; write its new place under `sources` "
            "in catalog.json, or import again with --overwrite."
        )
    return open_source(path, source["kind"])
