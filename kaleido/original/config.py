"""The configuration of `prepare-original`."""

from dataclasses import dataclass, field

from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range


@dataclass(frozen=True)
class PrepareOriginal:
    """Conversion of the original release's tab-separated files to records.

    Args:
        files: Files to train on: a list of data files, one a line, a pattern in quotes, or a data file.
        out: Folder to write.
        vocabulary: BERT's `vocab.txt`, or a folder with it; the token ids must be in it.
        validation: Files that are held out; null for none.
        schema: Columns as `name:type:length,...`; null for the published ones, as many as the first line has and with
            its feature size.
        photo_size: Width and height of the photos that positions refer to, in pixels.
        workers: Threads that read numbers.
        overwrite: Replace records of other files or options.
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
