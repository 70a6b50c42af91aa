"""The index of photo records: everything but vectors and pictures, kept in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from kaleido.atomic import file_written_atomically
from kaleido.constants import PATCHES
from kaleido.errors import TooManyFiles, UserError
from kaleido.records.pairs import Pairs, no_pairs
from kaleido.untrusted import read_npz

UNLABELLED = -1

_LARGEST = 2**31 - 1
_MAX_WORDS = 1_000_000
"""Most words of a text, as many as tokens can be stored of one."""

_KINDS = {"product_ids": "S", "photo_ids": "S", "pair_scores": "f"}
"""NumPy's kind of the columns that are not whole numbers."""


@dataclass(frozen=True, slots=True)
class Index:
    """Columns over n records; the texts and the pairs are ragged, row i being `offsets[i]:offsets[i + 1]`.

    Attributes:
        product_ids: UTF-8 [n], the product's id.
        photo_ids: UTF-8 [n], the photo's id.
        rows: int64 [n], the row of the record's file at which its vectors begin.
        photo_widths: int32 [n], in pixels.
        photo_heights: int32 [n], in pixels.
        product: int32 [n], the product's number in the catalogue.
        text: int32 [n], equal where the token ids are equal.
        category: int32 [n], index into the metadata's `categories`, -1 where unlabelled.
        subcategory: int32 [n], the same for `subcategories`.
        token_offsets: int64 [n + 1].
        token_ids: int32 [tokens], without special tokens.
        word_ids: int32 [tokens].
        pair_offsets: int64 [n + 1].
        pair_words: int32 [pairs].
        pair_patches: int32 [pairs].
        pair_scores: float32 [pairs].
    """

    product_ids: np.ndarray
    photo_ids: np.ndarray
    rows: np.ndarray
    photo_widths: np.ndarray
    photo_heights: np.ndarray
    product: np.ndarray
    text: np.ndarray
    category: np.ndarray
    subcategory: np.ndarray
    token_offsets: np.ndarray
    token_ids: np.ndarray
    word_ids: np.ndarray
    pair_offsets: np.ndarray
    pair_words: np.ndarray
    pair_patches: np.ndarray
    pair_scores: np.ndarray

    @classmethod
    def of(
        cls, examples: Sequence[Mapping], numbers: Sequence[tuple[int, int, int, int]], rows: Sequence[int]
    ) -> "Index":
        """Builds the index of some records.

        Args:
            examples: Fields of the records, as `RecordLayout.encode` takes them.
            numbers: Numbers of the product, text, category and sub-category of each.
            rows: Row of their file at which the vectors of each begin.
        """
        ids = [np.array([e[name].encode() for e in examples], "S") for name in ("product_id", "photo_id")]
        places = np.array(rows, np.int64)
        widths, heights = np.array([e["photo_size"] for e in examples], np.int32).reshape(-1, 2).T.copy()
        product, text, category, subcategory = np.array(numbers, np.int32).reshape(-1, 4).T.copy()

        def ragged(values: list[np.ndarray], dtype) -> tuple[np.ndarray, np.ndarray]:
            offsets = np.concatenate([[0], np.cumsum([len(v) for v in values])]).astype(np.int64)
            return offsets, np.concatenate([np.zeros(0), *values]).astype(dtype)

        token_offsets, token_ids = ragged([e["token_ids"] for e in examples], np.int32)
        _, word_ids = ragged([e["word_ids"] for e in examples], np.int32)
        pair_offsets, pair_words = ragged([e["pairs"]["word"] for e in examples], np.int32)
        _, pair_patches = ragged([e["pairs"]["patch"] for e in examples], np.int32)
        _, pair_scores = ragged([e["pairs"]["score"] for e in examples], np.float32)
        tokens, pairs = (token_offsets, token_ids, word_ids), (pair_offsets, pair_words, pair_patches, pair_scores)
        return cls(*ids, places, widths, heights, product, text, category, subcategory, *tokens, *pairs)

    @classmethod
    def concatenate(cls, parts: Sequence["Index"]) -> "Index":
        """Joins the indices of files into that of their split."""
        columns = {}
        for name in (f.name for f in fields(cls)):
            values = [getattr(part, name) for part in parts]
            if name.endswith("offsets"):
                columns[name] = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(v) for v in values]))])
            else:
                columns[name] = np.concatenate(values)
        return cls(**columns)

    @classmethod
    def load(cls, path: Path) -> "Index":
        """Reads what `save` wrote.

        Raises:
            UserError: if the file is missing or damaged.
        """
        try:
            arrays = read_npz(path)
            index = cls(**{f.name: arrays[f.name] for f in fields(cls)})
            index._check()
            return index
        except TooManyFiles:
            raise
        except Exception as error:  # damaged archives make NumPy and zipfile raise nearly anything
            raise UserError(f"{path}: not an index of records ({error}); prepare the catalogue again") from None

    def save(self, path: Path) -> None:
        """Writes an `.npz`, under a temporary name first."""
        with file_written_atomically(path) as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    def _check(self) -> None:
        """Raises a ValueError where columns do not fit one another."""
        for name, column in ((f.name, getattr(self, f.name)) for f in fields(self)):
            kind = _KINDS.get(name, "i")
            sound = column.ndim == 1 and column.dtype.kind == kind and column.dtype.isnative
            if not sound or (kind != "S" and not 4 <= column.dtype.itemsize <= 8):
                raise ValueError(f"{name} is {column.dtype} {list(column.shape)}")
        columns_of = (
            (len(self.product), (self.product_ids, self.photo_ids, self.rows, self.photo_widths, self.photo_heights)),
            (len(self.product), (self.text, self.category, self.subcategory)),
            (len(self.token_ids), (self.word_ids,)),
            (len(self.pair_words), (self.pair_patches, self.pair_scores)),
        )
        if any(len(column) != size for size, columns in columns_of for column in columns):
            raise ValueError("its columns are of different lengths")
        for offsets, values in ((self.token_offsets, self.token_ids), (self.pair_offsets, self.pair_words)):
            ends = offsets[:1].tolist() + offsets[-1:].tolist()
            if len(offsets) != len(self) + 1 or ends != [0, len(values)] or (np.diff(offsets) < 0).any():
                raise ValueError("its offsets do not fit its columns")
        for ids in (self.product_ids, self.photo_ids):
            b"\n".join(ids.tolist()).decode()

    def check_ranges(self, categories: int, subcategories: int, vocabulary_size: int | None) -> None:
        """Checks the numbers of the columns.

        Args:
            categories: Number of categories.
            subcategories: Number of sub-categories.
            vocabulary_size: Number of tokens; None where the records have no vocabulary.

        Raises:
            ValueError: naming the first column with a number that it cannot have.
        """
        ranges = {
            "photo_widths": (1, _LARGEST),
            "photo_heights": (1, _LARGEST),
            "product": (0, _LARGEST),
            "text": (0, _LARGEST),
            "category": (UNLABELLED, categories),
            "subcategory": (UNLABELLED, subcategories),
            "token_ids": (0, vocabulary_size or _LARGEST),
            "word_ids": (0, _MAX_WORDS),
            "pair_words": (0, _MAX_WORDS),
            "pair_patches": (0, PATCHES),
            "pair_scores": (0, np.nextafter(1, 2)),
        }
        for name, (low, stop) in ranges.items():
            column = getattr(self, name)
            # A comparison with NaN is false.
            if column.size and not (column.min() >= low and column.max() < stop):
                raise ValueError(
                    f"{name} must be at least {low} and below {stop}. Received: {column.min()} to {column.max()}"
                )

    def __len__(self) -> int:
        return len(self.product)

    def text_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Counts the tokens of the rows' texts: int64 [len(rows)]."""
        return self.token_offsets[rows + 1] - self.token_offsets[rows]

    def texts(self, rows: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lays the first tokens of the rows' texts side by side.

        Returns:
            Token ids int32, word ids int32, and bool, True where there is a token; each [len(rows), width].
        """
        place = np.arange(width)
        present = place < self.text_lengths(rows)[:, None]
        flat = np.where(present, self.token_offsets[rows][:, None] + place, 0)
        if not self.token_ids.size:
            return np.zeros_like(flat, np.int32), np.zeros_like(flat, np.int32), present
        return self.token_ids[flat], self.word_ids[flat], present

    def with_pairs(self, pairs: Sequence[Pairs]) -> "Index":
        """Copies the index with other pairs of each record."""
        counts = [len(of_row.word) for of_row in pairs]
        return replace(
            self,
            pair_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            pair_words=np.concatenate([np.zeros(0), *(p.word for p in pairs)]).astype(np.int32),
            pair_patches=np.concatenate([np.zeros(0), *(p.patch for p in pairs)]).astype(np.int32),
            pair_scores=np.concatenate([np.zeros(0), *(p.score for p in pairs)]).astype(np.float32),
        )

    def pairs(self, row: int) -> Pairs:
        """Gives the pre-aligned pairs of a record."""
        span = slice(self.pair_offsets[row], self.pair_offsets[row + 1])
        if span.start == span.stop:
            return no_pairs()
        return Pairs(self.pair_words[span], self.pair_patches[span], self.pair_scores[span])
