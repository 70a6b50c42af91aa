"""Index of records of the original release's data: labels and ids of all records, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaleido.atomic import file_written_atomically
from kaleido.errors import UserError
from kaleido.untrusted import read_npz


@dataclass(frozen=True, slots=True)
class OriginalIndex:
    """Columns of labels and ids of n records.

    Attributes:
        rows: int64 [n], the row of the record's file at which its features begin.
        columns: Columns by name: labels int32 [n]; ids and label names as texts [n].
    """

    rows: np.ndarray
    columns: dict[str, np.ndarray]

    @classmethod
    def of(cls, examples: Sequence[Mapping], numbers: Sequence[None], rows: Sequence[int]) -> "OriginalIndex":
        """Makes the index of at least one record; `numbers`, which only photo records have, is not used."""
        columns = {name: np.array([example[name] for example in examples]) for name in examples[0]}
        return cls(np.array(rows, np.int64), columns)

    @classmethod
    def concatenate(cls, parts: Sequence["OriginalIndex"]) -> "OriginalIndex":
        """Concatenates indexes."""
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        return cls(np.concatenate([part.rows for part in parts]), columns)

    @classmethod
    def load(cls, path: Path) -> "OriginalIndex":
        """Reads an index that `save` wrote.

        Raises:
            UserError: if the file is missing or damaged.
        """
        try:
            columns = read_npz(path)
            if len({column.shape for column in columns.values()}) != 1 or next(iter(columns.values())).ndim != 1:
                raise ValueError("its columns have different lengths")
            rows = columns.pop("rows")
            if rows.dtype.kind != "i":
                raise ValueError(f"rows is {rows.dtype}")
            return cls(rows, columns)
        except Exception as error:  # damaged archives make NumPy and zipfile raise nearly anything
            raise UserError(f"{path}: not an index of records ({error}); prepare them again") from None

    def save(self, path: Path) -> None:
        """Writes an `.npz`, first under a temporary name."""
        with file_written_atomically(path) as file:
            np.savez(file, rows=self.rows, **self.columns)

    def __len__(self) -> int:
        return len(self.rows)
