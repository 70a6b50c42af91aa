"""What to fetch and how to know it: lists of names, and `SHA256SUMS` as sha256sum writes it."""

import re
import sys
from pathlib import Path, PurePosixPath

from kaleido.errors import UserError
from kaleido.fetch.patience import Patience
from kaleido.fetch.source import HOW_TO_NAME_A_MIRROR, Interrupted, NotServed, Opened, Source, Unreachable

MANIFEST = "SHA256SUMS"

FIRST_TRIES = 3
"""To make the first connection."""

MAX_BYTES = 10_000_000
"""Of a manifest; a hundred thousand files."""


def checked_name(name: str) -> str:
    """A name in its plain form.

    Raises:
        UserError: if it leads out of the folder that it is relative to, or nowhere.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or re.search(r"[\0-\x1f\\]", name):
        raise UserError(f"a file to fetch is a relative path with slashes and without '..'. Received: {name!r:.200}")
    return str(path)


def read_list(path: str) -> list[str]:
    """Reads the names in a list, one a line; empty lines and those that start with `#` are left out.

    Args:
        path: File of the list; `-` is standard input.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list of files: {error}") from None
    lines = map(str.strip, text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def read_checksums(source: Source, patience: Patience) -> dict[str, str]:
    """Hexadecimal sha256 by name, from the source's `SHA256SUMS`; empty if it has none.

    Raises:
        UserError: where a line is not one of sha256sum's, its name leads out, or the source does not answer.
    """
    where = f"{source.address.rstrip('/')}/{MANIFEST}"
    failures = 0

    def attempt() -> bytes:
        nonlocal failures
        try:
            with source.open(MANIFEST) as opened:
                return _read(opened, where)
        except Unreachable as error:
            # Later on a lost connection is waited for; at first it is more likely that the address is wrong.
            failures += 1
            if failures == FIRST_TRIES:
                raise UserError(f"{source.address} does not answer: {error}; {HOW_TO_NAME_A_MIRROR}") from error
            raise

    try:
        data = patience.insist(MANIFEST, attempt)
    except NotServed:
        return {}
    checksums = {}
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if not found:
            raise UserError(f"{where}:{number}: not a line of sha256sum, HEX  NAME. Received: {line!r:.100}")
        try:
            checksums[checked_name(found[2])] = found[1].lower()
        except UserError as error:
            raise UserError(f"{where}:{number}: {error}") from None
    return checksums


def _read(opened: Opened, where: str) -> bytes:
    data = b""
    while block := opened.read(1 << 18):
        data += block
        if len(data) > MAX_BYTES:
            raise UserError(f"{where} is longer than a list of checksums, which has at most {MAX_BYTES:,} bytes")
    if opened.version.size not in (None, len(data)):
        raise Interrupted("cut off")
    return data
