"""TFRecord files: each record between its length and its checksum."""

import struct
from collections.abc import Iterator
from pathlib import Path

HEAD = 12
"""Bytes of a file before a record: its length, and the checksum of the length."""

TAIL = 4
"""Bytes of a file after a record: its checksum."""


def frame(record: bytes) -> bytes:
    """Frames a record as TFRecord files have it: uint64 length, its checksum, the record, its checksum."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _checksum(length), record, _checksum(record)))


def is_intact(framed: bytes) -> bool:
    """Tells whether a record with its frame is as `frame` made it."""
    head, record, tail = framed[:HEAD], framed[HEAD:-TAIL], framed[-TAIL:]
    length = struct.pack("<Q", len(record))
    return head == length + _checksum(length) and tail == _checksum(record)


def check_file(path: Path) -> Iterator[int]:
    """Reads a whole file and compares all checksums.

    Yields:
        The number of records so far, after each intact record.

    Raises:
        ValueError: at the first damaged record, with its number.
        OSError: if the file cannot be read.
    """
    size, number = path.stat().st_size, 0
    with path.open("rb") as file:
        while head := file.read(HEAD):
            length = int.from_bytes(head[:8], "little")
            # A damaged length can be any number: it is compared with the file before it is believed.
            rest = file.read(length + TAIL) if length + TAIL <= size - file.tell() else b""
            if not is_intact(head + rest):
                raise ValueError(f"record {number} is damaged")
            number += 1
            yield number


def _checksum(data: bytes) -> bytes:
    """Computes the CRC-32C of some bytes, rotated and shifted as the format wants it, so that it is no CRC itself."""
    # The package is of the extra `train`, and using a trained model imports this module too.
    from google_crc32c import value

    crc = value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
