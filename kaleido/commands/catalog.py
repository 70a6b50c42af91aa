"""`kaleido catalog`: brings products in, draws them, and shows what a catalogue holds."""

from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Literal

from kaleido.atomic import write_atomically
from kaleido.catalog.photo_cells import SEPARATORS
from kaleido.commands.command import Command
from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS


@dataclass(frozen=True, kw_only=True)
class Import:
    """Options of every import.

    Args:
        out: Folder of the catalogue, for example dataset/NAME.
        name: Name of the catalogue; by default the folder's name.
        on_error: Whether to stop at a row or photo that cannot be used, or to skip it and list it in `rejects.jsonl`.
        sample: Share of the products to keep, such as 0.25.
        overwrite: Replace a catalogue that is there.
        empty: Words that mean an empty cell, instead of NaN, NULL, None, N/A, - and their like: --empty NULL -.
        merge_labels: Make one class of categories that differ in case or space alone, in the most frequent spelling.
        category_levels: Levels of paths such as A > B > C that are category and sub-category; by default 1 2 where
            there are paths and no sub-categories.
    """

    out: str
    name: str | None = None
    on_error: Literal["stop", "skip"] = "stop"
    sample: float = 1.0
    overwrite: bool = False
    empty: tuple[str, ...] | None = None
    merge_labels: bool = False
    category_levels: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ImportFolder(Import):
    """Import of a table of products and their photos.

    Args:
        source: Folder or zip that the table's photo paths start from.
        table: A table in SOURCE or elsewhere: .csv, .tsv, .txt, .jsonl, .json, .xlsx, .ods, .xls, .xml or .parquet,
            each also with .gz or alone in a .zip.
        columns: Columns of the fields id, title, description, category, subcategory, split and photos, where they are
            not found by their usual names: id=nummer title=modell photos=ansicht1,ansicht2. `id=` numbers the rows.
        encoding: Encoding of a text table, such as cp1252; by default it is found.
        delimiter: Character between the cells of a text table, or tab; by default it is found.
        sheet: Sheet of a spreadsheet; by default the first with rows.
        separators: Characters between the photos of a column, where the whole cell is no file.
        photo: Path of a photo built from columns, instead of a column: 'images/{id:.3}/{id}.jpg'.
        photo_root: Folder or zip with the photos, or folder of SOURCE, in which they are found by their file names.
        fetch_photos: Download addresses that no file answers to, to the folder photos of OUT.
        check_photos: Read the header of every photo, so that unusable ones are known now.
        max_megapixels: Largest photo, in millions of pixels; see prepare_config.max_megapixels.
    """

    source: str = field(metadata=POSITIONAL)
    table: str = "products.csv"
    columns: dict[str, list[str]] = field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    separators: str = SEPARATORS
    photo: str | None = None
    photo_root: str | None = None
    fetch_photos: bool = False
    check_photos: bool = True
    max_megapixels: float = MAX_MEGAPIXELS


@dataclass(frozen=True, kw_only=True)
class ImportFashionGen(Import):
    """Import of Fashion-Gen.

    Args:
        train: HDF5 file of the train split.
        test: HDF5 file of the validation split, which the paper tests on.
    """

    train: str | None = None
    test: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImportFashionSmall(Import):
    """Import of Fashion Product Images (Small).

    Args:
        source: Zip or folder without prescribed splits.
        train: Zip or folder of the train split.
        validation: Zip or folder of the validation split.
        test: Zip or folder of the test split.
    """

    source: str | None = field(default=None, metadata=POSITIONAL)
    train: str | None = None
    validation: str | None = None
    test: str | None = None


@dataclass(frozen=True)
class Generate:
    """The wardrobe to draw.

    Args:
        out: Folder of the catalogue.
        products: Number of products.
        seed: Seed of every random choice.
        photo_size: Width and height of the photos in pixels.
        workers: Processes that draw; one a CPU core by default.
        overwrite: Draw anew a wardrobe that is there.
    """

    out: str = "dataset/wardrobe"
    products: int = 1500
    seed: int = 0
    photo_size: int = 192
    workers: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Show:
    """The catalogue to look at.

    Args:
        directory: Folder of the catalogue.
        products: Number of products on the contact sheet.
        seed: Seed of their choice.
        out: File of the contact sheet; by default contact_sheet.png in DIRECTORY.
        parts: Draw part boxes and the mask's outline.
    """

    directory: str = field(metadata=POSITIONAL)
    products: int = 24
    seed: int = 0
    out: str | None = None
    parts: bool = False


def import_folder(config: ImportFolder) -> None:
    """Makes a catalogue of a table of products and a folder or zip of photos."""
    from kaleido.catalog.importing import import_table
    from kaleido.catalog.photos import PhotoOptions
    from kaleido.catalog.table import TableOptions

    photos = PhotoOptions(**{field.name: getattr(config, field.name) for field in fields(PhotoOptions)})
    reading = TableOptions(config.encoding, config.delimiter, config.sheet)
    print(import_table(config.source, config.table, config.out, config.columns, photos, _options(config), reading))


def import_fashion_gen(config: ImportFashionGen) -> None:
    """Makes a catalogue of the two HDF5 files of Fashion-Gen."""
    from kaleido.catalog.importing import import_splits

    paths = {split: path for split in ("train", "test") if (path := getattr(config, split))}
    if not paths:
        raise UserError("Give the files of Fashion-Gen by --train, --test or both.")
    print(import_splits("fashion-gen", paths, config.out, _options(config)))


def import_fashion_small(config: ImportFashionSmall) -> None:
    """Makes a catalogue of the public "Fashion Product Images (Small)"."""
    from kaleido.catalog.importing import import_splits

    paths = {split: path for split in ("train", "validation", "test") if (path := getattr(config, split))}
    if bool(paths) == bool(config.source):
        raise UserError("Give either one SOURCE, or zips or folders by --train, --validation and --test.")
    print(import_splits("fashion-small", paths or {"": config.source}, config.out, _options(config)))


def generate(config: Generate) -> None:
    """Draws the wardrobe, a catalogue with masks and the places of the parts that its texts name."""
    from kaleido.wardrobe.catalog import generate_wardrobe

    arguments = config.products, config.seed, config.photo_size, config.workers, config.overwrite
    if generate_wardrobe(config.out, *arguments):
        print(f"{config.out}: {config.products:,} products.")
    else:
        print(f"{config.out}: there already, from the same arguments; --overwrite draws it anew.")


def show(config: Show) -> None:
    """Counts what a catalogue holds and writes a contact sheet."""
    from kaleido.catalog.catalog import Catalog
    from kaleido.catalog.overview import contact_sheet_of, describe
    from kaleido.catalog.tally import Tally
    from kaleido.vision.photo import decode

    tally = Tally()
    catalog = Catalog.open(config.directory, tally.add)
    print(describe(catalog, tally))
    png = BytesIO()
    contact_sheet_of(catalog, decode, config.products, config.seed, config.parts).save(png, format="PNG")
    out = Path(config.out or Path(config.directory) / "contact_sheet.png")
    write_atomically(out, png.getvalue())
    print(f"contact sheet   {out}")


def _options(config: Import):
    from kaleido.catalog.importing import ImportOptions

    return ImportOptions(**{one.name: getattr(config, one.name) for one in fields(ImportOptions)})


COMMAND = {
    "import": {
        "folder": Command(import_folder, ImportFolder, backend=False),
        "fashion-gen": Command(import_fashion_gen, ImportFashionGen, backend=False),
        "fashion-small": Command(import_fashion_small, ImportFashionSmall, backend=False),
    },
    "generate": Command(generate, Generate, backend=False),
    "show": Command(show, Show, backend=False),
}
