"""The layout of records whose large fields are found without parsing."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2


class FixedLayout:
    """Writes records, and finds their large fields again.

    A record is a `tf.train.Example` that plain TFDS reads. Messages may be cut and joined, so the fields of fixed size
    are written last: they then lie at fixed places from the record's end, where `view` sees them without parsing or
    copying.

    Args:
        features: All fields of a record.
        fixed: Names of the fields that are written last, in this order; each a tensor in the encoding `bytes`.

    Attributes:
        INDEX: Class of the index, which is kept in memory.
        DESCRIPTION: Description of the data set, for TFDS.
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
        # For each field, counted from the record's end: the start of its head and of its values, its head, type, shape.
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
        """Encodes a record; the same example always gives the same bytes."""
        encoded = dict(self.features.encode_example(example))
        fixed = b"".join(_field(name, encoded.pop(name)) for name in self._fixed)
        if self._serializer is None:
            return fixed
        return self._serializer.get_tf_example(encoded).SerializeToString(deterministic=True) + fixed

    def decode(self, record: bytes) -> dict:
        """Decodes all fields, through TFDS."""
        return self.features.deserialize_example_np(record)

    def view(self, record: bytes, name: str) -> np.ndarray:
        """Views one of the fixed fields without copying it.

        Raises:
            ValueError: if the record is not laid out as `encode` does.
        """
        head, values, prefix, dtype, shape = self._places[name]
        start = len(record) - values
        if record[-head:-values] != prefix:
            raise ValueError("a record of another layout")
        return np.frombuffer(record, dtype, math.prod(shape), start).reshape(shape)

    def parse_head(self, record: bytes) -> tf_feature_pb2.Features:
        """Parses the fields before the fixed ones."""
        return tf_example_pb2.Example.FromString(record[: -self._fixed_bytes]).features


def _field(name: str, value: bytes) -> bytes:
    feature = tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))
    features = tf_feature_pb2.Features(feature={name: feature})
    return tf_example_pb2.Example(features=features).SerializeToString()
