"""The record of a photo: its TFDS features, and its bytes."""

import numpy as np
import tensorflow_datasets as tfds

from kaleido.constants import PATCHES
from kaleido.records.fixed_layout import FixedLayout
from kaleido.records.index import Index
from kaleido.vision.crops import FEATURES


class RecordLayout(FixedLayout):
    """How the record of a photo is written, and how its vectors are found again.

    Args:
        feature_size: Length D of a feature vector.
    """

    INDEX = Index
    DESCRIPTION = "Features of the kaleido patches of product photos, with the products' texts."
    indexed = ("token_ids", "word_ids", "pairs")

    def __init__(self, feature_size: int):
        self.feature_size = feature_size
        text, ints = tfds.features.Text, lambda *shape: tfds.features.Tensor(shape=shape, dtype=np.int32)
        features = {
            "product_id": text(),
            "photo_id": text(),
            "text": text(),
            "category": text(),
            "subcategory": text(),
            "split": text(),
            "token_ids": ints(None),
            "word_ids": ints(None),
            "box": ints(4),
            "photo_size": ints(2),
            "pairs": {
                "word": ints(None),
                "patch": ints(None),
                "score": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            },
            "positions": tfds.features.Tensor(shape=(PATCHES, 5), dtype=np.float32, encoding="bytes"),
            "features": tfds.features.Tensor(shape=(FEATURES, feature_size), dtype=np.float16, encoding="bytes"),
        }
        super().__init__(tfds.features.FeaturesDict(features), ("positions", "features"))

    def vectors(self, record: bytes) -> np.ndarray:
        """A view of the record's feature vectors, float16 [74, D]; raises a ValueError like `view`."""
        return self.view(record, "features")

    def positions(self, record: bytes) -> np.ndarray:
        """A view of the record's grid positions, float32 [55, 5], in 0..1 of the photo."""
        return self.view(record, "positions")

    def raw_positions(self, record: bytes) -> np.ndarray:
        """The record's grid positions in pixels: whole numbers, float32 [55, 5]."""
        width, height = self.parse_head(record).feature["photo_size"].int64_list.value
        scale = np.array([width, width, height, height, width * height], np.float32)
        return np.rint(self.positions(record) * scale)
