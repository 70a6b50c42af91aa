"""Parses a line of the original's files in Python: accepts every number format and reports where a fault is."""

import re

import numpy as np

from kaleido.original.numbers import FLOAT_LIMIT
from kaleido.original.schema import POSITIONS, Column, Schema

_INT_LIMIT = 2**31 - 1
_WHOLE = re.compile(rb"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


class BadLine(Exception):
    """A fault in a line; the message begins with the column."""


def read_exactly(line: bytes, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Parses a line that `numbers.parse_line` does not accept.

    Args:
        line: Line without its line end.
        schema: Schema of the line.

    Returns:
        Values of the INT and STR columns, int32, and of the FLOAT columns, float32; see `numbers.parse_line`.

    Raises:
        BadLine: if the line does not follow the schema.
    """
    if not line:
        raise BadLine("the line is empty; remove it")
    fields = line.split(b"\t")
    if len(fields) != len(schema.columns):
        raise BadLine(f"expected {len(schema.columns)} columns, separated by tabs. Received: {len(fields)}")
    ints, floats, at = [], [], 0
    for column, field in zip(schema.columns, fields):
        if column.type == "str":
            ints += [at, at + len(field)]
        else:
            (ints if column.type == "int" else floats).extend(_numbers(column, field))
        at += len(field) + 1
    return np.array(ints, np.int32), np.array(floats, np.float32)


def _numbers(column: Column, field: bytes) -> list[int] | list[float]:
    values = field.split(b",")
    if len(values) != column.length:
        raise BadLine(f"column {column.name}: expected {column.length} numbers. Received: {len(values)}")
    pattern, number, limit, kind = (
        (_WHOLE, int, _INT_LIMIT, "whole number") if column.type == "int" else (_DECIMAL, float, FLOAT_LIMIT, "number")
    )
    for place, value in enumerate(values, 1):
        if not pattern.fullmatch(value) or not abs(number(value)) <= limit:
            raise BadLine(f"column {column.name}: number {place} is not a {kind} within {limit:.0f}. {received(value)}")
    return [number(value) for value in values]


def received(value: bytes) -> str:
    """Formats a value for the end of a message."""
    return f"Received: {value[:50].decode('utf-8', 'backslashreplace')!r}"


class Ranges:
    """Allowed ranges of the numbers in the INT columns.

    Args:
        schema: Schema of the lines.
        vocab_size: Size of the vocabulary, which token ids must be below; None if unknown.
        photo_size: Width and height of the photos, in pixels; None if unknown.
    """

    def __init__(self, schema: Schema, vocab_size: int | None = None, photo_size: int | None = None):
        ids = _INT_LIMIT if vocab_size is None else vocab_size - 1
        pixels = _INT_LIMIT if photo_size is None else [photo_size] * 4 + [photo_size**2]
        highest = {
            "input_ids": ids,
            "masked_lm_ids": ids,
            "input_mask": 1,
            "segment_ids": 1,
            "masked_lm_positions": schema.text_length - 1,
            "image_mask": 1,
            "img_grey_lm_ids": 15,
            "img_blank_lm_ids": 24,
            "img_rotate_gt": 3,
            "img_jigsaw_gt": 23,
            "img_camouflage_gt": 8,
            "nx_sent_labels": 1,
            "img_category_id": _INT_LIMIT,
            "img_subcategory_id": _INT_LIMIT,
        } | dict.fromkeys(POSITIONS, pixels)
        low, high, self._places = [], [], []
        for column in schema.columns:
            if column.type == "float":
                continue
            known = column.type == "int" and column.name in highest
            size = column.length if column.type == "int" else 2
            low.append(np.full(size, 0 if known else -_INT_LIMIT))
            high.append(np.resize(highest[column.name] if known else _INT_LIMIT, size))
            self._places += [(column.name, place) for place in range(1, size + 1)]
        self._low, self._high = np.concatenate(low), np.concatenate(high)

    def check(self, ints: np.ndarray) -> None:
        """Checks that the numbers of a line are in their ranges.

        Args:
            ints: int32, values of the INT and STR columns; see `numbers.parse_line`.

        Raises:
            BadLine: for the first number that is out of its range.
        """
        outside = (ints < self._low) | (ints > self._high)
        if outside.any():
            first = int(outside.argmax())
            column, place = self._places[first]
            raise BadLine(
                f"column {column}: number {place} must be in {self._low[first]}..{self._high[first]}. "
                f"Received: {ints[first]}"
            )
