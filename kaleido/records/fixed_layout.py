"""The layout of records whose large fields are found without parsing."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from kaleido.records.tfrecord import TAIL

_PADDING_TAG = 15 << 3 | 2
"""Protobuf's tag of bytes in field 15, which a `tf.train.Example` does not have and parsers skip."""

_PADDING_HEAD = 5


class FixedLayout:
    """Writes records, and finds their large fields again.

    A record is a `tf.train.Example` that plain TFDS reads. Messages may be cut and joined, so the fields of fixed size
    are written last: they then lie at fixed places from the record's end, where `gather` finds them without parsing.
    The last field is a matrix, and what is before it is padded so that it begins at a multiple of its rows' size in the
    file: the file is then an array of such rows.

    Args:
        features: All fields of a record.
        fixed: Names of the fields that are written last, in this order; each a tensor in the encoding `bytes`.

    Attributes:
        rows: Rows of the last field.
        row_bytes: Bytes of one of them.
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
        # For each field: the start of its values, counted from the record's end, their type and shape.
        self._places: dict[str, tuple[int, np.dtype, tuple[int, ...]]] = {}
        end = 0
        for name in reversed(self._fixed):
            dtype, shape = np.dtype(features[name].np_dtype), features[name].shape
            size = dtype.itemsize * math.prod(shape)
            self._places[name] = end + size, dtype, shape
            end += len(_field(name, bytes(size)))
        self._fixed_bytes = end
        _, dtype, (self.rows, width) = self._places[self._fixed[-1]]
        self.row_bytes = dtype.itemsize * width

    def encode(self, example: Mapping, place: int) -> bytes:
        """Encodes a record; the same example at the same place always gives the same bytes.

        Args:
            example: The record's fields.
            place: Byte of the file at which the record begins.
        """
        encoded = dict(self.features.encode_example(example))
        fixed = b"".join(_field(name, encoded.pop(name)) for name in self._fixed)
        head = b""
        if self._serializer is not None:
            head = self._serializer.get_tf_example(encoded).SerializeToString(deterministic=True)
        return b"".join((head, _padding(-(place + len(head) + len(fixed)), self.row_bytes), fixed))

    def decode(self, record: bytes) -> dict:
        """Decodes all fields, through TFDS."""
        return self.features.deserialize_example_np(record)

    def gather(self, data: np.ndarray, ends: np.ndarray, name: str) -> np.ndarray:
        """Copies one of the fixed fields of some records.

        Args:
            data: uint8 [bytes], what the records lie in.
            ends: int64 [n], where each ends.
            name: The field.

        Returns:
            The field's type, [n, ...].
        """
        values, dtype, shape = self._places[name]
        size = dtype.itemsize * math.prod(shape)
        # Items of a field's size that begin at every byte: NumPy copies each chosen one at once.
        items = np.ndarray(len(data) - size + 1, f"V{size}", data, strides=(1,))
        return items[ends - values].view(dtype).reshape(-1, *shape)

    def file_size(self, rows: np.ndarray) -> int:
        """Computes the size in bytes of a file whose records' last fields begin at these rows of it."""
        return (int(rows[-1]) + self.rows) * self.row_bytes + TAIL if len(rows) else 0

    def parse_head(self, record: bytes) -> tf_feature_pb2.Features:
        """Parses the fields before the fixed ones."""
        return tf_example_pb2.Example.FromString(record[: -self._fixed_bytes]).features


def _padding(missing: int, row_bytes: int) -> bytes:
    """Makes a field that no reader knows, as long as `missing` and some multiple of `row_bytes`."""
    length = (missing - _PADDING_HEAD) % row_bytes
    # The length in four digits of seven bits, however small it is, so that the field's own length grows evenly.
    digits = [length >> shift & 127 | 128 for shift in (0, 7, 14)] + [length >> 21]
    return bytes([_PADDING_TAG, *digits]) + bytes(length)


def _field(name: str, value: bytes) -> bytes:
    feature = tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))
    features = tf_feature_pb2.Features(feature={name: feature})
    return tf_example_pb2.Example(features=features).SerializeToString()
