"""The tensorflow-datasets builder of the records."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import dataset_builder

from kaleido.records.index import Index
from kaleido.records.layout import RecordLayout

REJECTS_FILE = "rejects.jsonl"

# Float16 features shrink by a tenth and would take three times as long to read (measured: 4,000 against 9,000 records a
# second at D = 2048).
_WRITER_OPTIONS = "group_size:1,uncompressed"


@dataclass(frozen=True, slots=True)
class Row:
    """One record to write.

    Attributes:
        example: As `RecordLayout.encode` takes it.
        numbers: Of its product, text, category and sub-category, for the index.
    """

    example: Mapping
    numbers: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Reject:
    """A photo that gave no record."""

    product_id: str
    photo_id: str
    uri: str
    reason: str


Shard = Callable[[], Iterable[Row | Reject]]
"""Makes the rows of one file; called only while that file is not there."""


class KaleidoRecords(dataset_builder.FileReaderBuilder, skip_registration=True):
    """Writes ArrayRecord files that `tfds.builder_from_directory(directory)` reads, and the index beside them.

    Finished files wait in `DIRECTORY.partial/records`, where a later run finds them; at the end that folder becomes
    `directory` in one rename.

    Args:
        directory: Where the data set shall be.
        layout: Of its records.
        metadata: What JSON can hold; kept as the data set's TFDS metadata.
        shards: Of each split, the makers of its files.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "74 float16 vectors a photo."}

    def __init__(self, directory: Path, layout: RecordLayout, metadata: Mapping, shards: Mapping[str, Sequence[Shard]]):
        self._layout = layout
        self._metadata = metadata
        self._shards = shards
        super().__init__(data_dir=directory, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Features of the kaleido patches of product photos, with the products' texts.",
            features=self._layout.features,
            metadata=tfds.core.MetadataDict(self._metadata),
            disable_shuffling=True,
        )

    def _build_data_dir(self, given_data_dir):
        # The folder itself, not TFDS's DATA_DIR/NAME/VERSION: users name one folder and find everything in it.
        return given_data_dir, given_data_dir

    def download_and_prepare(self, **_) -> None:
        """Writes what is missing, then moves everything to its final place.

        Replaces TFDS's own, which starts from nothing after an interruption.
        """
        final = Path(self.data_dir)
        work = partial_directory(final)
        (work / "records").mkdir(parents=True, exist_ok=True)
        (work / "parts").mkdir(exist_ok=True)
        self._download_and_prepare(work / "records", work / "parts")
        self.info.write_to_directory(work / "records")
        os.replace(work / "records", final)
        shutil.rmtree(work)

    def finished(self) -> list[tuple[str, int]]:
        """Split and number of the files that an interrupted run left."""
        records = partial_directory(Path(self.data_dir)) / "records"
        return [
            (split, number)
            for split, shards in self._shards.items()
            for number in range(len(shards))
            if self._shard_path(records, split, number).exists()
        ]

    def _shard_path(self, records: Path, split: str, number: int) -> Path:
        template = self._get_filename_template(split).replace(data_dir=records)
        return Path(template.sharded_filepath(shard_index=number, num_shards=len(self._shards[split])))

    def _download_and_prepare(self, records: Path, parts: Path) -> None:
        infos, rejects = [], []
        for split, shards in self._shards.items():
            indices, size = [], 0
            for number, shard in enumerate(shards):
                path = self._shard_path(records, split, number)
                part = parts / f"{split}-{number:05d}"
                if not path.exists():
                    self._write_shard(shard(), path, part)
                indices.append(Index.load(part.with_suffix(".npz")))
                rejects.append(part.with_suffix(".jsonl").read_text(encoding="utf-8"))
                size += path.stat().st_size
            lengths = [len(index) for index in indices]
            infos.append(tfds.core.SplitInfo(split, lengths, size, self._get_filename_template(split)))
            Index.concatenate(indices).save(records / index_file(split))
        if any(rejects):
            (records / REJECTS_FILE).write_text("".join(rejects), encoding="utf-8")
        self.info.set_splits(tfds.core.splits.SplitDict(infos))

    def _write_shard(self, rows: Iterable[Row | Reject], path: Path, part: Path) -> None:
        temporary = part.with_suffix(".tmp")
        writer = array_record_module.ArrayRecordWriter(str(temporary), _WRITER_OPTIONS)
        kept, rejects = [], []
        try:
            for row in rows:
                if isinstance(row, Reject):
                    rejects.append(json.dumps(asdict(row), ensure_ascii=False) + "\n")
                    continue
                writer.write(self._layout.encode(row.example))
                kept.append(Row({name: row.example[name] for name in ("token_ids", "word_ids", "pairs")}, row.numbers))
        finally:
            writer.close()
        part.with_suffix(".jsonl").write_text("".join(rejects), encoding="utf-8")
        Index.of([row.example for row in kept], [row.numbers for row in kept]).save(part.with_suffix(".npz"))
        # Last, because a file of records under its final name says that all of its companions are complete.
        os.replace(temporary, path)


def partial_directory(directory: Path) -> Path:
    """Where an unfinished preparation keeps its files."""
    return directory.with_name(directory.name + ".partial")


def index_file(split: str) -> str:
    """Name of the file with the index of a split."""
    return f"index-{split}.npz"
