"""Lists of files to fetch, and their checksums in `SHA256SUMS` as sha256sum writes it."""

import re
import sys
from pathlib import Path, PurePosixPath

from kaleido.errors import UserError
from kaleido.fetch.mirror import HOW_TO_NAME_A_MIRROR, Mirror, MirrorUnreachable, NotServed, Opened, TransientError
from kaleido.fetch.retry import RetryPolicy
from kaleido.untrusted import is_inner_name

MANIFEST = "SHA256SUMS"

FIRST_TRIES = 3
"""Tries to make the first connection."""

MAX_BYTES = 10_000_000
"""Largest `SHA256SUMS`: about a hundred thousand files."""


def checked_name(name: str) -> str:
    """Normalises a relative path.

    Raises:
        UserError: if it leads out of its folder or is not a file name.
    """
    if not is_inner_name(name):
        raise UserError(f"a file to fetch is a relative path with slashes and without '..'. Received: {name!r:.200}")
    return str(PurePosixPath(name))


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


def read_checksums(mirror: Mirror, retry: RetryPolicy) -> dict[str, str]:
    """Reads hexadecimal sha256 by name from the mirror's `SHA256SUMS`; empty if it has none.

    Raises:
        UserError: if a line is invalid or the mirror does not answer.
    """
    where = f"{mirror.address.rstrip('/')}/{MANIFEST}"
    failures = 0

    def attempt() -> bytes:
        nonlocal failures
        try:
            with mirror.open(MANIFEST) as opened:
                return _read(opened, where)
        except MirrorUnreachable as error:
            # A connection lost later is retried for long; at first a wrong address is more likely.
            failures += 1
            if failures == FIRST_TRIES:
                raise UserError(f"{mirror.address} does not answer: {error}; {HOW_TO_NAME_A_MIRROR}") from error
            raise

    try:
        data = retry.call(MANIFEST, attempt)
    except NotServed:
        return {}
    checksums = {}
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line)
        if not found:
            raise UserError(f"{where}:{number}: is not `HEX  NAME`, as sha256sum writes. Received: {line!r:.100}")
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
            raise UserError(f"{where} is larger than {MAX_BYTES:,} bytes and so no list of checksums")
    if opened.version.size not in (None, len(data)):
        raise TransientError("cut off")
    return data
