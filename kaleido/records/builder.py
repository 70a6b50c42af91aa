"""The TensorFlow Datasets builder that writes records."""

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zipfile import BadZipFile

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder

from kaleido.atomic import flush, refusals_named
from kaleido.errors import TooManyFiles, UserError
from kaleido.records.fixed_layout import FixedLayout
from kaleido.records.place import FORMAT, VERSION, index_file, partial_directory
from kaleido.records.tfrecord import HEAD, TAIL, check_file, frame

REJECTS_FILE = "rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """One record to write.

    Attributes:
        example: Fields of the record, as the layout's `encode` takes them.
        numbers: Numbers of its product, text, category and sub-category, for the index of photos.
    """

    example: Mapping
    numbers: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A photo that gave no record."""

    product_id: str
    photo_id: str
    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class Portion:
    """The content of one file.

    Attributes:
        size: Number of photos, or another measure of the work.
        rows: Function that makes the rows and rejects, in order; called only while the file is not there.
        counted: Whether the size is what the file's records and rejects must add up to.
    """

    size: int
    rows: Callable[[], Iterable[Row | Reject]]
    counted: bool = True


class RecordFile(NamedTuple):
    """One file of records, by its split and its number within it."""

    split: str
    number: int

    def __str__(self) -> str:
        return f"{self.split}-{self.number:05d}"


class _Info(tfds.core.DatasetInfo):
    def initialize_from_bucket(self) -> None:
        """Does not look for this data set in TFDS's bucket, which leaves a temporary folder behind every time."""


class KaleidoRecords(dataset_builder.FileReaderBuilder, skip_registration=True):
    """Writes TFRecord files that `tfds.builder_from_directory(directory)` reads, and the index beside them.

    Finished files wait in `work/records`, their indices and rejects in `work/parts`, where a later run finds them; at
    the end `work/records` becomes `directory` in one rename. Several processes may write into one `work`: what is
    unfinished lies in folders of their own in `work/making`, and whichever finishes a file last puts the same in place.

    Args:
        directory: Final folder of the data set.
        layout: Layout of its records.
        metadata: TFDS metadata of the data set, in JSON types.
        portions: Contents of the files of each split.
        work: Folder in `partial_directory(directory)`, or that itself, to work in.
    """

    VERSION = tfds.core.Version(VERSION)
    RELEASE_NOTES = {
        "3.0.0": "Files that can be mapped into memory.",
        "2.0.0": "The product's picture and cell mask.",
        "1.0.0": "74 float16 vectors a photo.",
    }

    def __init__(
        self,
        directory: Path,
        layout: FixedLayout,
        metadata: Mapping,
        portions: Mapping[str, Sequence[Portion]],
        work: Path | None = None,
    ):
        self._layout = layout
        self._metadata = metadata
        self._portions = portions
        self._work = work or partial_directory(Path(directory))
        self.files = [RecordFile(split, number) for split in portions for number in range(len(portions[split]))]
        super().__init__(data_dir=directory, file_format=FORMAT)

    def _info(self) -> tfds.core.DatasetInfo:
        return _Info(
            builder=self,
            description=self._layout.DESCRIPTION,
            features=self._layout.features,
            metadata=tfds.core.MetadataDict(self._metadata),
            disable_shuffling=True,
        )

    def _build_data_dir(self, given_data_dir):
        # The folder itself, not TFDS's DATA_DIR/NAME/VERSION: users name one folder and find everything in it.
        return given_data_dir, given_data_dir

    def download_and_prepare(self, **_) -> None:
        """Writes what is missing, then moves everything to its final place.

        Replaces TFDS's own, which starts from scratch after an interruption.
        """
        make_work_folder(self._work)
        self._download_and_prepare()
        self.publish()

    def _download_and_prepare(self) -> None:
        for file in self.files:
            if not self.is_finished(file):
                self.make(file)

    def size(self, file: RecordFile) -> int:
        """Returns how much work a file is, as its portion says."""
        return self._portions[file.split][file.number].size

    def is_finished(self, file: RecordFile) -> bool:
        """Tells whether a file is in the work folder, complete and with its index and rejects."""
        try:
            self.read_part(file)
        except TooManyFiles:
            raise
        except UserError:
            return False
        return True

    def read_part(self, file: RecordFile) -> tuple[Sized, str]:
        """Reads the index of a finished file, and its rejects as lines of JSON.

        Raises:
            UserError: if any of it is missing, or cut off by what copied it here.
        """
        path, part = self._path(file), self._part(file)
        try:
            index = self._layout.INDEX.load(part.with_suffix(".npz"))
            rejects = part.with_suffix(".jsonl").read_text(encoding="utf-8")
            size = path.stat().st_size
        except (OSError, ValueError, BadZipFile) as error:
            if isinstance(error, OSError) and TooManyFiles.means(error):
                raise TooManyFiles(path) from None
            raise UserError(f"{path}: not there as a whole ({error}); run the same prepare command again") from error
        portion = self._portions[file.split][file.number]
        made = len(index) + rejects.count("\n")
        if size != self._layout.file_size(index.rows) or (portion.counted and made != portion.size):
            raise UserError(
                f"{path}: {size} bytes, {len(index)} records in its index, for {portion.size} photos; run the same "
                "prepare command again"
            )
        return index, rejects

    def make(self, file: RecordFile) -> None:
        """Writes one file.

        Raises:
            UserError: if the disk refuses.
        """
        try:
            self._make(file)
        except UserError:
            # Whichever process finishes a file first takes away what the others have begun of it.
            if not self.is_finished(file):
                raise
        for abandoned in (self._work / "making").glob(f"{file}.*"):
            shutil.rmtree(abandoned, ignore_errors=True)

    def _make(self, file: RecordFile) -> None:
        path, part = self._path(file), self._part(file)
        with (
            refusals_named(path),
            TemporaryDirectory(dir=self._work / "making", prefix=f"{file}.", ignore_cleanup_errors=True) as temporary,
        ):
            names = [Path(temporary, name) for name in ("rejects.jsonl", "index.npz", "records")]
            self._write(self._portions[file.split][file.number].rows(), *names)
            # The records last, because they say that their companions are there.
            for source, target in zip(names, (part.with_suffix(".jsonl"), part.with_suffix(".npz"), path)):
                flush(source)
                source.replace(target)

    def _write(self, rows: Iterable[Row | Reject], rejects_path: Path, index_path: Path, records_path: Path) -> None:
        layout = self._layout
        indexed, numbers, places, rejects = [], [], [], []
        with records_path.open("wb") as file:
            for row in rows:
                if isinstance(row, Reject):
                    rejects.append(json.dumps(asdict(row), ensure_ascii=False) + "\n")
                    continue
                file.write(frame(layout.encode(row.example, file.tell() + HEAD)))
                indexed.append({name: row.example[name] for name in layout.indexed})
                numbers.append(row.numbers)
                places.append((file.tell() - TAIL) // layout.row_bytes - layout.rows)
        rejects_path.write_text("".join(rejects), encoding="utf-8")
        layout.INDEX.of(indexed, numbers, places).save(index_path)

    def publish(self) -> None:
        """Moves the files to their final place, all of which must be finished, with the indices and the metadata.

        Raises:
            UserError: if the disk refuses, or a file is not there, or its checksums tell that it was damaged since it
                was made, here or on another host.
        """
        records = self._work / "records"
        final = Path(self.data_dir)
        with (
            refusals_named(final),
            TemporaryDirectory(dir=self._work / "making", ignore_cleanup_errors=True) as temporary,
        ):
            infos, rejects = [], []
            for split in self._portions:
                files = [file for file in self.files if file.split == split]
                indices, rejects_of_split = zip(*map(self.read_part, files))
                self._layout.INDEX.concatenate(indices).save(Path(temporary, index_file(split)))
                rejects.extend(rejects_of_split)
                for path in map(self._path, files):
                    self._check(path)
                size = sum(self._path(file).stat().st_size for file in files)
                infos.append(
                    tfds.core.SplitInfo(split, list(map(len, indices)), size, self._get_filename_template(split))
                )
            if any(rejects):
                Path(temporary, REJECTS_FILE).write_text("".join(rejects), encoding="utf-8")
            self.info.set_splits(tfds.core.splits.SplitDict(infos))
            self.info.write_to_directory(temporary)
            for path in Path(temporary).iterdir():
                flush(path)
                path.replace(records / path.name)
            flush(records)
            records.replace(final)
            flush(final.parent)
        shutil.rmtree(partial_directory(final), ignore_errors=True)

    @staticmethod
    def _check(path: Path) -> None:
        try:
            deque(check_file(path), maxlen=0)
        except ValueError as error:
            raise UserError(f"{path}: {error}; delete this file and run the same prepare command again") from None

    def _path(self, file: RecordFile) -> Path:
        template = self._get_filename_template(file.split).replace(data_dir=self._work / "records")
        count = len(self._portions[file.split])
        return Path(template.sharded_filepath(shard_index=file.number, num_shards=count))

    def _part(self, file: RecordFile) -> Path:
        return self._work / "parts" / str(file)


def make_work_folder(work: Path) -> None:
    """Makes the folders inside a work folder of `KaleidoRecords`."""
    for name in ("records", "parts", "making"):
        (work / name).mkdir(parents=True, exist_ok=True)
