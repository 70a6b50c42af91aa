"""The layout of the record of a photo: its TFDS features, and its bytes."""

import numpy as np
import tensorflow_datasets as tfds

from kaleido.constants import PATCHES
from kaleido.records.fixed_layout import FixedLayout
from kaleido.records.index import Index
from kaleido.vision.crops import FEATURES
from kaleido.vision.product import GRID, decode_product


class RecordLayout(FixedLayout):
    """Writes the record of a photo, and finds its vectors again.

    Args:
        feature_size: Length D of a feature vector.
    """

    INDEX = Index
    DESCRIPTION = "Features of the kaleido patches of product photos, with the products' texts."
    indexed = ("product_id", "photo_id", "token_ids", "word_ids", "pairs", "photo_size")

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
            # Encoded: TFDS would decode a picture with every example, and warns where OpenCV is missing.
            "product": text(),
            "cells": tfds.features.Tensor(shape=(GRID, GRID), dtype=np.uint8, encoding="bytes"),
            "pairs": {
                "word": ints(None),
                "patch": ints(None),
                "score": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            },
            "positions": tfds.features.Tensor(shape=(PATCHES, 5), dtype=np.float32, encoding="bytes"),
            "features": tfds.features.Tensor(shape=(FEATURES, feature_size), dtype=np.float16, encoding="bytes"),
        }
        super().__init__(tfds.features.FeaturesDict(features), ("positions", "features"))

    def product(self, record: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Reads the product's picture uint8 [224, 224, 3], its cell mask uint8 [14, 14] and its box int32 [4].

        Raises:
            ValueError: if the record is damaged.
        """
        head = self.parse_head(record).feature
        try:
            picture = decode_product(head["product"].bytes_list.value[0])
            cells = np.frombuffer(head["cells"].bytes_list.value[0], np.uint8).reshape(GRID, GRID)
            return picture, cells, np.array(head["box"].int64_list.value, np.int32).reshape(4)
        except (IndexError, OSError) as error:
            raise ValueError(f"a damaged record ({error})") from None
