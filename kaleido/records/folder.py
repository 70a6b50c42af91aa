"""A folder of records, all splits together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from kaleido.records.open import open_records
from kaleido.records.reader import SplitRecords, kind_of, read_description


class Records:
    """A handle on a folder of records that `prepare` wrote; opening one loads no arrays.

    Args:
        directory: The folder.

    Attributes:
        directory: The folder.
        metadata: Everything that `prepare` noted: backbone, feature size, categories, configuration.
        kind: Kind of the records, `photos` for those of a catalogue.
        splits: Number of records of each split that has any.

    Raises:
        UserError: if there are no records, or their description is damaged.
    """

    directory: Path
    metadata: Mapping[str, Any]
    kind: str
    splits: Mapping[str, int]

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self.metadata, lengths = read_description(self.directory)
        self.kind = kind_of(self.metadata)
        self.splits = {split: sum(of_files) for split, of_files in lengths.items() if sum(of_files)}

    @classmethod
    def of(cls, records: "str | Path | Records") -> Self:
        """Gives the handle of a path; a handle is returned as it is."""
        return records if isinstance(records, cls) else cls(records)

    def open(self, split: str) -> SplitRecords:
        """Opens one split for reading.

        Raises:
            UserError: if there is no such split, or its index is damaged.
        """
        return open_records(self.directory, split)

    def __len__(self) -> int:
        return sum(self.splits.values())

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {split}" for split, count in self.splits.items())
        return f"Records({str(self.directory)!r}: {counts}; backbone {self.metadata.get('backbone')})"
