"""Records size, time and checksum of what an import read, so that importing again notices later edits."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaleido.catalog.sources import open_source
from kaleido.checksums import file_sha256
from kaleido.pictures import SUFFIXES


def content_of(source: str | os.PathLike[str], table: str | None, out: Path) -> dict[str, Any]:
    """Describes a table and the folder or zip of its photos, as JSON values.

    Args:
        source: Folder or zip with the photos.
        table: Path of the table inside it or elsewhere; None for rows in memory.
        out: Folder of the catalogue, which may lie in the source and is left out.

    Returns:
        `table`, with `bytes`, `time` and `sha256`, unless it is a member of a zip; and `photos` or `zip`, with `files`,
        `bytes` and a `sha256` of the names, sizes and times of the photos, or of the checksums of all members.
    """
    photos = open_source(source)
    content: dict[str, Any] = {}
    paths = [photos.path / table, Path(table)] if table else []
    if path := next((path for path in paths if path.is_file()), None):
        status = path.stat()
        content["table"] = {"bytes": status.st_size, "time": status.st_mtime_ns, "sha256": file_sha256(path)}
    files = total = 0
    digest = hashlib.sha256()
    stamps = _zipped(photos.path) if photos.kind == "zip" else _lying(photos.path, out)
    for name, size, stamp in sorted(stamps):
        files, total = files + 1, total + size
        digest.update(f"{name}\0{size}\0{stamp}\0".encode("utf-8", "surrogateescape"))
    content["zip" if photos.kind == "zip" else "photos"] = {
        "files": files,
        "bytes": total,
        "sha256": digest.hexdigest(),
    }
    return content


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Says what differs between two results of `content_of`; empty if nothing does."""
    found = []
    for what, unit in (("table", "bytes"), ("photos", "files"), ("zip", "files")):
        old, new = before.get(what) or {}, now.get(what) or {}
        if old.get("sha256") == new.get("sha256"):
            continue
        if old.get(unit) != new.get(unit):
            found.append(f"the {what}: {old.get(unit, 0):,} {unit} then, {new.get(unit, 0):,} now")
        elif what == "table" or old.get("bytes") == new.get("bytes"):
            found.append(f"the {what}: as many {unit}, other {'content' if what == 'table' else 'names or times'}")
        else:
            found.append(f"the {what}: {old.get('bytes', 0):,} bytes then, {new.get('bytes', 0):,} now")
    return found


def _zipped(path: Path) -> Iterator[tuple[str, int, int]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, info.file_size, info.CRC


def _lying(folder: Path, out: Path) -> Iterator[tuple[str, int, int]]:
    left_out = os.path.abspath(out)
    for directory, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if os.path.abspath(os.path.join(directory, name)) != left_out]
        start = os.path.join(directory, "")
        inside = "" if directory == os.fspath(folder) else os.path.join(os.path.relpath(directory, folder), "")
        for name in names:
            if os.path.splitext(name)[1].lower() in SUFFIXES:
                try:
                    status = os.stat(start + name)
                except OSError:  # a link to nowhere
                    continue
                yield inside + name, status.st_size, status.st_mtime_ns
