"""Reads records of the original release's data in any order."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from kaleido.errors import UserError
from kaleido.original.batches import Examples
from kaleido.original.layout import OriginalLayout
from kaleido.original.schema import Content, Schema
from kaleido.records.reader import SplitRecords
from kaleido.untrusted import Text, checked

ORIGINAL = "original"


class _Config(TypedDict):
    schema: Text
    photo_size: Annotated[int, Field(ge=1, le=100_000)]


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
        if missing := {*self._layout.indexed} - {*self.index.columns}:
            raise UserError(f"{directory}: the index of {split} lacks {min(missing)}; prepare the records again")
        self.content: Content = self._layout.content
        self.photo_size: int = metadata["config"]["photo_size"]

    @staticmethod
    def _layout_of(metadata: Mapping) -> OriginalLayout:
        config = checked(_Config, metadata.get("config", {}), "metadata.json: config", "prepare the records again")
        schema = Schema.parse(config["schema"])
        if schema.feature_size != metadata["feature_size"]:
            raise UserError(f"metadata.json: feature_size is not that of the schema, {schema.feature_size}")
        return OriginalLayout(schema)

    def photo_ids(self) -> list[str]:
        return self.index.columns["photo_id"].tolist() if "photo_id" in self.index.columns else [""] * len(self)

    def examples(self, indices: np.ndarray) -> Examples:
        """Reads the arrays of some records, in any order and with repetitions; features are float16."""
        examples = {name: self._gather(indices, name) for name in self._layout.numbers[:-1]}
        rows = self.first_rows[indices][:, None] + np.arange(self._layout.rows)
        return examples | {"features": self.table[rows]}
