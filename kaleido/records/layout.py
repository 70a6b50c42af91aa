"""One record: its TFDS features, and its bytes."""

from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from kaleido.vision.crops import FEATURES
from kaleido.vision.patches import PATCHES

_BULK = ("positions", "features")


class RecordLayout:
    """How the record of a photo is written, and how its vectors are found again.

    A record is a `tf.train.Example` that plain TFDS reads. Messages may be cut and joined, so the two large fields are
    written last: they then lie at fixed places from the record's end, where `vectors` and `positions` view them
    without parsing or copying.

    Args:
        feature_size: Length D of a feature vector.
    """

    def __init__(self, feature_size: int):
        self.feature_size = feature_size
        text, ints = tfds.features.Text, lambda *shape: tfds.features.Tensor(shape=shape, dtype=np.int32)
        self.features = tfds.features.FeaturesDict(
            {
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
        )
        info = dict(self.features.get_serialized_info())
        self._serializer = ExampleSerializer({name: info[name] for name in info if name not in _BULK})
        self._positions_bytes = PATCHES * 5 * 4
        self._vectors_bytes = FEATURES * feature_size * 2
        self._vectors_head = _field("features", bytes(self._vectors_bytes))[: -self._vectors_bytes]
        self._positions_end = self._vectors_bytes + len(self._vectors_head)

    def encode(self, example: Mapping) -> bytes:
        """The bytes of a record; the same for the same example."""
        encoded = dict(self.features.encode_example(example))
        bulk = b"".join(_field(name, encoded.pop(name)) for name in _BULK)
        return self._serializer.get_tf_example(encoded).SerializeToString(deterministic=True) + bulk

    def decode(self, record: bytes) -> dict:
        """The whole example, through TFDS."""
        return self.features.deserialize_example_np(record)

    def vectors(self, record: bytes) -> np.ndarray:
        """A view of the record's feature vectors, float16 [74, D].

        Raises:
            ValueError: if the record is not laid out as `encode` does.
        """
        if record[-self._positions_end : -self._vectors_bytes] != self._vectors_head:
            raise ValueError("a record of another layout")
        start = len(record) - self._vectors_bytes
        return np.frombuffer(record, np.float16, offset=start).reshape(FEATURES, self.feature_size)

    def positions(self, record: bytes) -> np.ndarray:
        """A view of the record's grid positions, float32 [55, 5]."""
        start = len(record) - self._positions_end - self._positions_bytes
        return np.frombuffer(record, np.float32, PATCHES * 5, start).reshape(PATCHES, 5)


def _field(name: str, value: bytes) -> bytes:
    feature = tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))
    features = tf_feature_pb2.Features(feature={name: feature})
    return tf_example_pb2.Example(features=features).SerializeToString()
