"""Random access to prepared records."""

import hashlib
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from kaleido.errors import TooManyFiles, UserError
from kaleido.progress import tqdm
from kaleido.records.description import AGAIN, PHOTOS, kind_of, read_description
from kaleido.records.mapped_rows import map_rows
from kaleido.records.place import FORMAT, NAME, index_file
from kaleido.records.tfrecord import HEAD, TAIL, check_file, is_intact
from kaleido.text import Tokenizer, load_tokenizer
from kaleido.untrusted import advised, open_plain
from kaleido.vision.crops import FEATURES

# TFDS is needed to read records, and not to use a trained model.
if TYPE_CHECKING:
    from kaleido.records.fixed_layout import FixedLayout
    from kaleido.records.layout import RecordLayout

_EVERY = 1.0
"""Seconds between two looks at the sizes of the files while they are being read."""


class PhotoView(NamedTuple):
    """The vectors of a photo in its record; read-only.

    Attributes:
        vectors: float16 [74, D].
        positions: float32 [55, 5]; in 0..1 of the photo, or in pixels.
    """

    vectors: np.ndarray
    positions: np.ndarray


class ProductView(NamedTuple):
    """The product of a photo in its record.

    Attributes:
        picture: uint8 [224, 224, 3], content of the product's box.
        cells: uint8 [14, 14], how much of each cell of the box the product fills, of 255.
        box: int32 [4], (x1, y1, x2, y2) in pixels of the photo.
    """

    picture: np.ndarray
    cells: np.ndarray
    box: np.ndarray


class SplitRecords(ABC):
    """The records of one split, of any kind; safe to read from several threads.

    The files are mapped into memory and read without comparing checksums; `verify` does that.

    Attributes:
        KIND: Name of this kind of records in the metadata.
        directory: Folder of the records.
        split: `train`, `validation` or `test`.
        metadata: Description that the preparation wrote.
        feature_size: Length D of a feature vector.
        index: Columns that are kept in memory.
    """

    KIND: ClassVar[str]
    _HOW_TO_ADD: ClassVar[str]

    def __init__(self, directory: Path, split: str, metadata: Mapping, files: list[Path], lengths: list[int]):
        self.directory = directory
        self.split = split
        self.metadata = metadata
        self.feature_size: int = metadata["feature_size"]
        self.index = self._layout.INDEX.load(directory / index_file(split))
        self._files = files
        self._ends = np.cumsum(lengths)
        self._sizes: list[int] = []
        self._looked = time.monotonic()
        self._check_files()

    def _check_files(self) -> None:
        """Raises a UserError where the index and the files do not fit one another."""
        if len(self.index) != self._ends[-1]:
            raise UserError(
                f"{self.directory}: {index_file(self.split)} lists {len(self.index)} records and the files hold "
                f"{self._ends[-1]}; prepare the catalogue again"
            )
        for path, rows in zip(self._files, np.split(self.index.rows, self._ends[:-1])):
            with advised(AGAIN), open_plain(path, sys.maxsize) as file:
                size = os.fstat(file.fileno()).st_size
            # Rows of a file's head lie before those of its first record, and between two records.
            increases = np.diff(rows, prepend=-self._layout.rows) > self._layout.rows
            if size != self._layout.file_size(rows) or not increases.all():
                raise UserError(
                    f"{path}: damaged ({size} bytes, in its index {self._layout.file_size(rows)}); prepare the "
                    "catalogue again"
                )
            self._sizes.append(size)

    def check_sizes(self) -> None:
        """Looks whether a file was shortened since it was opened; to read what it lacks would end the process.

        Raises:
            UserError: naming the file.
        """
        for path, size in zip(self._files, self._sizes):
            with suppress(OSError):  # One that was removed can still be read where it is mapped.
                if (now := path.stat().st_size) < size:
                    raise UserError(f"{path}: damaged ({now} bytes, {size} before); prepare the catalogue again")

    @cached_property
    def _layout(self) -> "FixedLayout":
        return self._layout_of(self.metadata)

    @cached_property
    def _mapped(self) -> tuple[np.ndarray, np.ndarray]:
        try:
            return map_rows(self._files, self._layout.row_bytes)
        except OSError as error:
            raise UserError(f"{self.directory}: its files cannot be mapped into memory ({error.strerror})") from None

    def __getstate__(self) -> dict[str, Any]:
        # Another process maps the files itself.
        return {name: value for name, value in vars(self).items() if name not in ("_mapped", "_layout")}

    @property
    def table(self) -> np.ndarray:
        """The files as they are, as rows of features: float16 [rows, D], read-only; row 0 is zeros.

        Raises:
            UserError: if a file has become shorter, which is looked for every second.
        """
        if time.monotonic() > self._looked + _EVERY:
            self._looked = time.monotonic()
            self.check_sizes()
        return self._mapped[0].view(np.float16)

    @cached_property
    def first_rows(self) -> np.ndarray:
        """The row of `table` at which each record's features begin: int64 [n]."""
        _, starts = self._mapped
        return self.index.rows + np.repeat(starts, np.diff(self._ends, prepend=0))

    @staticmethod
    @abstractmethod
    def _layout_of(metadata: Mapping) -> "FixedLayout":
        """Creates the layout of the records that the metadata describes."""

    @classmethod
    def open(cls, directory: Path, split: str, backbone: str | None = None, feature_size: int | None = None) -> Self:
        """Opens the records of one split.

        Args:
            directory: The folder given to `prepare`.
            split: `train`, `validation` or `test`.
            backbone: Name of the backbone that the records must come from; None for any.
            feature_size: Feature size that they must have; None for any.

        Raises:
            UserError: if there are no such records, or what describes them is damaged.
        """
        directory = Path(directory)
        metadata, lengths = read_description(directory)
        if (kind := kind_of(metadata)) != cls.KIND:
            raise UserError(f"{directory}: these are records of {kind}; name records of {cls.KIND}")
        for key, wanted in (("backbone", backbone), ("feature_size", feature_size)):
            if wanted is not None and metadata.get(key) != wanted:
                raise UserError(
                    f"{directory}: the records' {key} is {metadata.get(key)}; set the configuration to it or prepare "
                    f"with another backbone. Received: {wanted}"
                )
        if not sum(lengths.get(split, ())):
            present = ", ".join(name for name, numbers in lengths.items() if sum(numbers))
            raise UserError(
                f"{directory}: no {split} records here, only {present}; name another split, or prepare with "
                f"{cls._HOW_TO_ADD.format(split=split)}. Received: {split}"
            )
        count = len(lengths[split])
        names = [f"{NAME}-{split}.{FORMAT}-{n:05d}-of-{count:05d}" for n in range(count)]
        return cls(directory, split, metadata, [directory / name for name in names], lengths[split])

    def __len__(self) -> int:
        return len(self.index)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the metadata: equal for records of the same catalogue, prepared in the same way."""
        return hashlib.sha256(json.dumps(self.metadata, sort_keys=True).encode()).hexdigest()

    @property
    def has_pairs(self) -> bool:
        """Tells whether `align` has found any pair of a word and a patch in this split."""
        return False

    @abstractmethod
    def photo_ids(self) -> list[str]:
        """Lists the ids of the records' photos, in the records' order."""

    def example(self, index: int) -> dict:
        """Decodes all fields of one record; texts are bytes, as TFDS gives them."""
        with self._damage_told(index):
            return self._layout.decode(self._record(index))

    @contextmanager
    def _damage_told(self, index: int) -> Iterator[None]:
        """Names the record that the body cannot decode, though its checksum is right."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # damaged messages and pictures make TFDS, protobuf and Pillow raise nearly anything
            raise UserError(
                f"{self.directory}: {self.split} record {index} is damaged ({error!r:.200}); {AGAIN}"
            ) from None

    def read_tokenizer(self) -> Tokenizer:
        """Loads the vocabulary of the records.

        Raises:
            UserError: if there is none, or it has not all tokens of the texts.
        """
        tokenizer = load_tokenizer(self.directory)
        self.check_tokens(tokenizer)
        return tokenizer

    def check_tokens(self, tokenizer: Tokenizer) -> None:
        """Raises a UserError if a text has a token that a tokenizer has not."""
        if (largest := self.largest_token) >= tokenizer.vocab_size:
            raise UserError(
                f"{self.directory}: its {self.split} texts have tokens beyond the vocabulary, which has "
                f"{tokenizer.vocab_size}; {AGAIN}. Received: {largest}"
            )

    @property
    def largest_token(self) -> int:
        """Largest number of a token in the texts, as far as the index has it; -1 if it has none."""
        return -1

    def verify(self) -> None:
        """Reads all files and compares their checksums.

        Raises:
            UserError: at the first damaged record, with its file and number.
        """
        with tqdm(total=len(self), desc=f"verify {self.split}", unit="record", leave=False) as progress:
            for path in self._files:
                try:
                    for _ in check_file(path):
                        progress.update()
                except (OSError, ValueError) as error:
                    if isinstance(error, OSError) and TooManyFiles.means(error):
                        raise TooManyFiles(path) from None
                    raise UserError(f"{path}: {error}; prepare the catalogue again") from None

    def _record(self, index: int) -> bytes:
        """Copies one record and compares its checksum."""
        file = int(np.searchsorted(self._ends, index, side="right"))
        first = index == 0 or index == self._ends[file - 1]
        rows, starts = self._mapped
        start = starts[file] * self._layout.row_bytes if first else self._record_ends(np.array([index - 1]))[0] + TAIL
        framed = rows.reshape(-1)[start : self._record_ends(np.array([index]))[0] + TAIL].tobytes()
        if not is_intact(framed):
            raise UserError(
                f"{self._files[file]}: record {index - (self._ends[file - 1] if file else 0)} is damaged; prepare the "
                "catalogue again"
            )
        return framed[HEAD:-TAIL]

    def _record_ends(self, indices: np.ndarray) -> np.ndarray:
        """Gives the byte of all files at which each record ends, before its checksum: int64 [n]."""
        return (self.first_rows[indices] + self._layout.rows) * self._layout.row_bytes

    def _gather(self, indices: np.ndarray, name: str) -> np.ndarray:
        """Copies one of the fields of fixed size of some records: [n, ...]."""
        return self._layout.gather(self._mapped[0].reshape(-1), self._record_ends(indices), name)


class PhotoRecords(SplitRecords):
    """The photo records of one split.

    Attributes:
        metadata: `feature_size`, `backbone`, `categories`, `subcategories`, `config`, ...
        index: Everything but vectors and pictures.
    """

    KIND = PHOTOS
    _HOW_TO_ADD = "a larger {split}_fraction"

    @staticmethod
    def _layout_of(metadata: Mapping) -> "RecordLayout":
        from kaleido.records.layout import RecordLayout

        return RecordLayout(metadata["feature_size"])

    def __init__(self, directory: Path, split: str, metadata: Mapping, files: list[Path], lengths: list[int]):
        super().__init__(directory, split, metadata, files, lengths)
        vocabulary = metadata.get("vocabulary") or {}
        try:
            self.index.check_ranges(
                len(metadata.get("categories", ())), len(metadata.get("subcategories", ())), vocabulary.get("size")
            )
        except ValueError as error:
            raise UserError(f"{directory / index_file(split)}: damaged: {error}; {AGAIN}") from None

    @property
    def has_pairs(self) -> bool:
        return bool(len(self.index.pair_words))

    @property
    def largest_token(self) -> int:
        return int(self.index.token_ids.max(initial=-1))

    def example(self, index: int) -> dict:
        # Pairs come after preparation: `align` writes them into the index alone.
        return super().example(index) | {"pairs": asdict(self.index.pairs(index))}

    def photo_ids(self) -> list[str]:
        return [photo_id.decode() for photo_id in self.index.photo_ids.tolist()]

    def product_ids(self) -> list[str]:
        """Lists the ids of the records' products, in the records' order."""
        return [product_id.decode() for product_id in self.index.product_ids.tolist()]

    def product(self, index: int) -> ProductView:
        """Reads the product's picture and cell mask from a record."""
        with self._damage_told(index):
            view = ProductView(*self._layout.product(self._record(index)))
            x1, y1, x2, y2 = view.box.tolist()
            if not (0 <= x1 < x2 <= self.index.photo_widths[index] and 0 <= y1 < y2 <= self.index.photo_heights[index]):
                raise ValueError(f"its box {view.box.tolist()} is not in the photo")
            return view

    def positions(self, indices: np.ndarray, raw: bool = False) -> np.ndarray:
        """Reads the grid positions of some records.

        Args:
            indices: int [n], in any order, repetitions allowed.
            raw: Whether they are given in pixels, as whole numbers, and not in 0..1 of the photo.

        Returns:
            float32 [n, 55, 5].
        """
        positions = self._gather(indices, "positions")
        if not raw:
            return positions
        width, height = self.index.photo_widths[indices], self.index.photo_heights[indices]
        scale = np.stack([width, width, height, height, width * height], axis=1).astype(np.float32)
        return np.rint(positions * scale[:, None])

    def views(self, indices: np.ndarray, raw_positions: bool = False) -> list[PhotoView]:
        """Views the vectors of some records; nothing is copied but the positions.

        Args:
            indices: int [n], in any order, repetitions allowed.
            raw_positions: Give positions in pixels.
        """
        indices = np.asarray(indices)
        vectors = (self.table[row : row + FEATURES] for row in self.first_rows[indices].tolist())
        return list(map(PhotoView, vectors, self.positions(indices, raw_positions)))

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies the vectors of some records: float16 [n, 74, D] and float32 [n, 55, 5]."""
        rows = self.first_rows[np.asarray(indices)][:, None] + np.arange(FEATURES)
        return self.table[rows], self.positions(indices)
