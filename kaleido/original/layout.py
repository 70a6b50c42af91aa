"""Layout of the records of the original release's data."""

import numpy as np
import tensorflow_datasets as tfds

from kaleido.constants import PATCHES
from kaleido.original.batches import NUMBERS, TEXTS
from kaleido.original.index import OriginalIndex
from kaleido.original.schema import Schema
from kaleido.records.fixed_layout import FixedLayout


class OriginalLayout(FixedLayout):
    """Layout of an example of the original's data, with the arrays of `batches.to_examples` and float16 features.

    Args:
        schema: Schema of the data.
    """

    INDEX = OriginalIndex
    DESCRIPTION = "Examples of the original Kaleido-BERT release, each with one draw of masking and corruption."

    def __init__(self, schema: Schema):
        self.content = content = schema.content

        def shape(name: str) -> tuple[int, ...]:
            if name.startswith("token"):
                return (schema.text_length,)
            if name.startswith("mlm"):
                return (schema.predictions,)
            return {"grey_positions": (2,), "blank_positions": (3,)}.get(name, ())

        tensors = {
            name: (shape(name), np.float32 if name == "mlm_weights" else np.int32) for name in NUMBERS[content]
        } | {
            "positions": ((PATCHES, 5), np.int32),
            "features": ((PATCHES + 2 * (content == "pretraining"), schema.feature_size), np.float16),
        }
        self.indexed = (
            *(name for name in NUMBERS[content] if name.endswith("label")),
            *(name for name in TEXTS[content] if name != "text"),
        )
        self.numbers = tuple(tensors)
        features = {name: tfds.features.Text() for name in TEXTS[content]} | {
            name: tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes")
            for name, (shape, dtype) in tensors.items()
        }
        super().__init__(tfds.features.FeaturesDict(features), self.numbers)
