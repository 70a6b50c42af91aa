"""A folder of records, all splits together."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaleido.constants import TASKS
from kaleido.records.config import PipelineConfig
from kaleido.records.description import kind_of, read_description
from kaleido.records.open import create_pipeline, open_records
from kaleido.records.reader import SplitRecords
from kaleido.records.stream import BatchStream

if TYPE_CHECKING:
    from kaleido.records.making import Summary


class Records:
    """A handle on a folder of records that `prepare` wrote; opening one loads no arrays.

    Args:
        directory: The folder.

    Attributes:
        directory: The folder.
        metadata: Everything that `prepare` noted: backbone, feature size, categories, configuration.
        kind: Kind of the records, `photos` for those of a catalogue.
        splits: Number of records of each split that has any.
        summary: Summary of the preparation, if `prepare` returned this handle; its text is what the command prints.

    Raises:
        UserError: if there are no records, or their description is damaged.
    """

    directory: Path
    metadata: Mapping[str, Any]
    kind: str
    splits: Mapping[str, int]
    summary: "Summary | None" = None

    def __init__(self, directory: str | os.PathLike[str]):
        self.directory = Path(directory)
        self.metadata, lengths = read_description(self.directory)
        self.kind = kind_of(self.metadata)
        self.splits = {split: sum(of_files) for split, of_files in lengths.items() if sum(of_files)}

    @classmethod
    def of(cls, records: "str | os.PathLike[str] | Records") -> "Records":
        """Gives the handle of a path; a handle is returned as it is."""
        return records if isinstance(records, Records) else cls(records)

    def open(self, split: str) -> SplitRecords:
        """Opens one split for reading.

        Raises:
            UserError: if there is no such split, or its index is damaged.
        """
        return open_records(self.directory, split)

    def verify(self) -> None:
        """Reads all files and compares their checksums; reading records does not.

        Raises:
            UserError: at the first damaged record, with its file and number.
        """
        for split in self.splits:
            self.open(split).verify()

    def batches(
        self,
        split: str,
        batch_size: int = 64,
        config: PipelineConfig | None = None,
        seed: int = 0,
        training: bool = True,
        tasks: Sequence[str] = TASKS,
    ) -> BatchStream:
        """Gives the batches of a split as a model is trained on them; docs/design.md lists their arrays.

        Args:
            split: `train`, `validation` or `test`.
            batch_size: Rows of a batch.
            config: Text length and masking; the defaults if not given.
            seed: Seed of the order, masking and corruption.
            training: Whether to go on without end, in another order every epoch; otherwise once, in the records' order.
            tasks: Pre-training tasks to corrupt for.

        Raises:
            UserError: if there is no such split, or it holds too few products for the tasks.
        """
        records = self.open(split)
        tokenizer = records.read_tokenizer()
        config = config or PipelineConfig()
        return create_pipeline(records, config, tokenizer, batch_size, seed, training, tasks)

    def __len__(self) -> int:
        return sum(self.splits.values())

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {split}" for split, count in self.splits.items())
        return f"Records({str(self.directory)!r}: {counts}; backbone {self.metadata.get('backbone')})"
