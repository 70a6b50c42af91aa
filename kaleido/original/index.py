"""Index of records of the original release's data: labels and ids of all records, in memory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaleido.errors import UserError


@dataclass(frozen=True, slots=True)
class OriginalIndex:
    """Columns of labels and ids of n records.

    Attributes:
        columns: Columns by name: labels int32 [n]; ids and label names as texts [n].
    """

    columns: dict[str, np.ndarray]

    @classmethod
    def of(cls, examples: Sequence[Mapping], numbers: Sequence[None] = ()) -> "OriginalIndex":
        """Makes the index of at least one record; `numbers`, which only photo records have, is not used."""
        return cls({name: np.array([example[name] for example in examples]) for name in examples[0]})

    @classmethod
    def concatenate(cls, parts: Sequence["OriginalIndex"]) -> "OriginalIndex":
        """Concatenates indexes."""
        return cls({name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns})

    @classmethod
    def load(cls, path: Path) -> "OriginalIndex":
        """Reads an index that `save` wrote.

        Raises:
            UserError: if the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                columns = dict(arrays)
            if len({column.shape for column in columns.values()}) != 1 or next(iter(columns.values())).ndim != 1:
                raise ValueError("its columns have different lengths")
            return cls(columns)
        except Exception as error:  # damaged archives make NumPy and zipfile raise nearly anything
            raise UserError(f"{path}: not an index of records ({error}); prepare them again") from None

    def save(self, path: Path) -> None:
        """Writes an `.npz`, first under a temporary name."""
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **self.columns)
        os.replace(temporary, path)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))
