"""Options that the commands which read a catalogue, a folder or a table have in common."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kaleido.catalog.photo_cells import SEPARATORS
from kaleido.ranges import check_range

if TYPE_CHECKING:
    from kaleido.search.products import TableReading


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Options of a table of products, and of reading photos.

    Args:
        columns: Columns of a table, where they have other names: id=sku title=name photos=image1,image2.
        source_photos: Folder or zip that a table's photo paths start from; the table's own folder if null.
        separators: Characters between the photos of a column, where the whole cell is no file.
        photo_path: Path of a photo built from columns of a table, instead of a column: 'images/{id:.3}/{id}.jpg'.
        photo_root: Folder or zip with a table's photos, in which they are found by their file names.
        fetch_photos: Folder for photos that a table names by addresses which no file answers to; null fetches none.
        encoding: Encoding of a text table, such as cp1252; by default it is found.
        delimiter: Character between the cells of a text table, or tab; by default it is found.
        sheet: Sheet of a spreadsheet; by default the first with rows.
        empty: Words that mean an empty cell, instead of NaN, NULL, None, N/A, - and their like.
        batch_size: Photos at once.
        on_error: Whether to stop at a photo or row that cannot be used, or to skip and report it.
    """

    columns: dict[str, list[str]] = field(default_factory=dict)
    source_photos: str | None = None
    separators: str = SEPARATORS
    photo_path: str | None = None
    photo_root: str | None = None
    fetch_photos: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    empty: tuple[str, ...] | None = None
    batch_size: int = 16
    on_error: Literal["stop", "skip"] = "stop"

    def __post_init__(self):
        check_range(self, "[1, 1_000_000]", "batch_size")

    def reading(self) -> "TableReading":
        """Gives the options of a table as the library takes them."""
        from kaleido.catalog.photos import PhotoOptions
        from kaleido.catalog.table import TableOptions
        from kaleido.search.products import TableReading

        photos = PhotoOptions(
            self.photo_path, self.photo_root, self.separators, self.fetch_photos is not None, check_photos=False
        )
        table = TableOptions(self.encoding, self.delimiter, self.sheet, self.empty)
        fetch_to = Path(self.fetch_photos) if self.fetch_photos else None
        return TableReading(self.columns, self.source_photos, photos, table, fetch_to)
