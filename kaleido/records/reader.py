"""Random access to prepared records."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_module

from kaleido.errors import UserError
from kaleido.records.builder import KaleidoRecords, index_file, partial_directory
from kaleido.records.index import Index
from kaleido.records.layout import RecordLayout

# Records are read whole at random places: reading ahead or in threads of the reader's own only costs.
_READER_OPTIONS = "readahead_buffer_size:0,max_parallelism:0"


class PhotoView(NamedTuple):
    """What a record says of a photo; read-only.

    Attributes:
        vectors: float16 [74, D].
        positions: float32 [55, 5].
    """

    vectors: np.ndarray
    positions: np.ndarray


class Records:
    """The records of one split; safe to read from several threads.

    Attributes:
        directory: Where they are.
        split: `train`, `validation` or `test`.
        metadata: What `prepare` noted: `feature_size`, `backbone`, `categories`, `subcategories`, `config`, ...
        feature_size: Length D of a feature vector.
        index: Everything but the vectors.
    """

    def __init__(self, directory: Path, split: str, metadata: Mapping, files: list[Path], lengths: list[int]):
        self.directory = directory
        self.split = split
        self.metadata = metadata
        self.feature_size: int = metadata["feature_size"]
        self.index = Index.load(directory / index_file(split))
        self._layout = RecordLayout(self.feature_size)
        self._files = files
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        self._readers: dict[int, array_record_module.ArrayRecordReader] = {}
        if len(self.index) != self._ends[-1]:
            raise UserError(
                f"{directory}: {index_file(split)} lists {len(self.index)} records and the files hold "
                f"{self._ends[-1]}; prepare the catalogue again"
            )

    @classmethod
    def open(
        cls, directory: Path, split: str, backbone: str | None = None, feature_size: int | None = None
    ) -> "Records":
        """Opens what `prepare` made.

        Args:
            directory: The folder given to `prepare`.
            split: `train`, `validation` or `test`.
            backbone: Name of the backbone that the records must come from; None for any.
            feature_size: Feature size that they must have; None for any.

        Raises:
            UserError: if there are no such records.
        """
        directory = Path(directory)
        if not (directory / "dataset_info.json").is_file():
            if partial_directory(directory).exists():
                raise UserError(f"{directory}: its preparation was interrupted; run the same prepare command to go on")
            raise UserError(f"{directory}: no prepared records here; run `python -m kaleido prepare` first")
        info = tfds.builder_from_directory(directory).info
        if info.name != KaleidoRecords.name or info.version != KaleidoRecords.VERSION:
            raise UserError(
                f"{directory}: these records are of another version; prepare the catalogue again. "
                f"Received: {info.name} {info.version}, expected {KaleidoRecords.name} {KaleidoRecords.VERSION}"
            )
        for key, expected in (("backbone", backbone), ("feature_size", feature_size)):
            if expected is not None and info.metadata[key] != expected:
                raise UserError(
                    f"{directory}: the records' {key} is {info.metadata[key]}; set the configuration to it or prepare "
                    f"with another backbone. Received: {expected}"
                )
        if split not in info.splits or not info.splits[split].num_examples:
            present = ", ".join(name for name, found in info.splits.items() if found.num_examples)
            raise UserError(
                f"{directory}: no {split} records here, only {present}; name another split, or prepare with a larger "
                f"{split}_fraction. Received: {split}"
            )
        found = info.splits[split]
        return cls(directory, split, dict(info.metadata), [Path(p) for p in found.filepaths], found.shard_lengths)

    def __len__(self) -> int:
        return len(self.index)

    def views(self, indices: np.ndarray) -> list[PhotoView]:
        """The vectors of some records as they lie in the bytes that were read: nothing is copied.

        Args:
            indices: int [n], in any order, repetitions allowed.
        """
        layout = self._layout
        try:
            return [PhotoView(layout.vectors(r), layout.positions(r)) for r in self._read(np.asarray(indices))]
        except ValueError as error:
            raise UserError(f"{self.directory}: {error} among the {self.split} records; prepare again") from None

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of some records: float16 [n, 74, D] and float32 [n, 55, 5]."""
        vectors, positions = zip(*self.views(indices))
        return np.stack(vectors), np.stack(positions)

    def example(self, index: int) -> dict:
        """All that is stored of one record, ids and text included; texts are bytes, as TFDS gives them."""
        return self._layout.decode(self._read(np.array([index]))[0])

    def _read(self, indices: np.ndarray) -> list[bytes]:
        records = [b""] * len(indices)
        shards = np.searchsorted(self._ends, indices, side="right")
        for shard in np.unique(shards):
            places = np.flatnonzero(shards == shard)
            try:
                found = self._reader(shard).read((indices[places] - self._starts[shard]).tolist())
            except (RuntimeError, ValueError, IndexError) as error:
                reason = " ".join(str(error).split())
                raise UserError(f"{self._files[shard]}: damaged ({reason}); prepare the catalogue again") from None
            for place, record in zip(places, found):
                records[place] = record
        return records

    def _reader(self, shard: int) -> array_record_module.ArrayRecordReader:
        # Two threads may both open a file: the later reader stays, the other goes when its read is done.
        if shard not in self._readers:
            self._readers[shard] = array_record_module.ArrayRecordReader(str(self._files[shard]), _READER_OPTIONS)
        return self._readers[shard]
