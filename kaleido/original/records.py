"""Reads records of the original release's data in any order."""

from collections.abc import Mapping

import numpy as np

from kaleido.original.batches import Examples
from kaleido.original.layout import OriginalLayout
from kaleido.original.schema import Content, Schema
from kaleido.records.reader import SplitRecords

ORIGINAL = "original"


class OriginalRecords(SplitRecords):
    """Records of the original's data, of one split; reading is thread-safe.

    Attributes:
        metadata: Metadata with `feature_size`, `config.schema` and `config.photo_size`.
        index: Labels, label names and ids of all records.
        content: Content of the data: `pretraining`, `recognition` or `retrieval`.
        photo_size: Width and height of the photos, in pixels.
    """

    KIND = ORIGINAL
    _HOW_TO_ADD = "--{split} as well"

    def __init__(self, directory, split, metadata, files, lengths):
        super().__init__(directory, split, metadata, files, lengths)
        self.content: Content = self._layout.content
        self.photo_size: int = metadata["config"]["photo_size"]

    @staticmethod
    def _layout_of(metadata: Mapping) -> OriginalLayout:
        return OriginalLayout(Schema.parse(metadata["config"]["schema"]))

    def photo_ids(self) -> list[str]:
        return self.index.columns["photo_id"].tolist() if "photo_id" in self.index.columns else [""] * len(self)

    def examples(self, indices: np.ndarray) -> Examples:
        """Reads the arrays of some records, in any order and with repetitions; features are float16."""
        examples = {name: self._gather(indices, name) for name in self._layout.numbers[:-1]}
        rows = self.first_rows[indices][:, None] + np.arange(self._layout.rows)
        return examples | {"features": self.table[rows]}
