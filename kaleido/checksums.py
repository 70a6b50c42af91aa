"""Checksums that detect truncated and altered files."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from kaleido.untrusted import open_plain, parse_json

_KEY = "checksum"


def file_sha256(path: Path, limit: int = sys.maxsize) -> str:
    """Computes the hexadecimal sha256 of a plain file; arguments and errors as for `open_plain`."""
    with open_plain(path, limit) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(content: dict[str, Any]) -> bytes:
    """Encodes JSON with its own checksum; the same content gives the same bytes, so any altered byte is noticed."""
    checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return json.dumps({**content, _KEY: checksum}, indent=1).encode() + b"\n"


def unseal(data: bytes) -> dict[str, Any]:
    """Decodes the result of `seal`.

    Raises:
        ValueError: if any byte was altered, or it is not JSON of `parse_json`.
    """
    content = parse_json(data)
    if not isinstance(content, dict) or content.pop(_KEY, None) is None or seal(content) != data:
        raise ValueError("the content does not match its checksum")
    return content
