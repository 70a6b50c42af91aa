"""Configuration of `prepare-original`."""

from dataclasses import dataclass, field

from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range


@dataclass(frozen=True)
class PrepareOriginal:
    """Configuration of the conversion of the original release's tab-separated files to records.

    Args:
        files: Training files: a text file with one data file per line, a pattern in quotes, or a data file.
        out: Folder to write.
        vocabulary: BERT's `vocab.txt`, or a folder with it; all token ids must be below its size.
        validation: Validation files, named like `files`; null for none.
        schema: Columns as `name:type:length,...`; null for the published schema with as many columns as the first
            line, and the feature size of that line.
        photo_size: Width and height of the photos that positions refer to, in pixels.
        workers: Number of threads that parse lines.
        overwrite: Whether to replace records that were made from other files or with other options.
    """

    files: str = field(metadata=POSITIONAL)
    out: str
    vocabulary: str
    validation: str | None = None
    schema: str | None = None
    photo_size: int = 256
    workers: int = 2
    overwrite: bool = False

    def __post_init__(self):
        check_range(self, "[1, 10_000]", "photo_size")
        check_range(self, "[1, 1000]", "workers")
