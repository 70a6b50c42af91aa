"""Records whose large fields are found without parsing."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2


class FixedLayout:
    """How a record is written, and how its large fields are found again.

    A record is a `tf.train.Example` that plain TFDS reads. Messages may be cut and joined, so the fields of fixed size
    are written last: they then lie at fixed places from the record's end, where `view` sees them without parsing or
    copying.

    Args:
        features: All fields of a record.
        fixed: Names of those written last, in this order; each a tensor in the encoding `bytes`.

    Attributes:
        INDEX: Class of what the batches need in memory of every record.
        DESCRIPTION: Of the data set, for TFDS.
        indexed: Names of the fields that the index is made of.
    """

    INDEX: ClassVar[type]
    DESCRIPTION: ClassVar[str]
    indexed: Sequence[str]

    def __init__(self, features: tfds.features.FeaturesDict, fixed: Sequence[str]):
        self.features = features
        self._fixed = tuple(fixed)
        info = dict(features.get_serialized_info())
        head = {name: info[name] for name in info if name not in fixed}
        self._serializer = ExampleSerializer(head) if head else None
        # Of each field from the record's end: where its head begins, where its values do, its head, type and shape.
        self._places: dict[str, tuple[int, int, bytes, np.dtype, tuple[int, ...]]] = {}
        end = 0
        for name in reversed(self._fixed):
            dtype, shape = np.dtype(features[name].np_dtype), features[name].shape
            size = dtype.itemsize * math.prod(shape)
            prefix = _field(name, bytes(size))[:-size]
            values, end = end + size, end + size + len(prefix)
            self._places[name] = end, values, prefix, dtype, shape
        self._fixed_bytes = end

    def encode(self, example: Mapping) -> bytes:
        """The bytes of a record; the same for the same example."""
        encoded = dict(self.features.encode_example(example))
        fixed = b"".join(_field(name, encoded.pop(name)) for name in self._fixed)
        if self._serializer is None:
            return fixed
        return self._serializer.get_tf_example(encoded).SerializeToString(deterministic=True) + fixed

    def decode(self, record: bytes) -> dict:
        """The whole example, through TFDS."""
        return self.features.deserialize_example_np(record)

    def view(self, record: bytes, name: str) -> np.ndarray:
        """A view of one of the fixed fields.

        Raises:
            ValueError: if the record is not laid out as `encode` does.
        """
        head, values, prefix, dtype, shape = self._places[name]
        start = len(record) - values
        if record[-head:-values] != prefix:
            raise ValueError("a record of another layout")
        return np.frombuffer(record, dtype, math.prod(shape), start).reshape(shape)

    def parse_head(self, record: bytes) -> tf_feature_pb2.Features:
        """The fields before the fixed ones, parsed."""
        return tf_example_pb2.Example.FromString(record[: -self._fixed_bytes]).features


def _field(name: str, value: bytes) -> bytes:
    feature = tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))
    features = tf_feature_pb2.Features(feature={name: feature})
    return tf_example_pb2.Example(features=features).SerializeToString()
