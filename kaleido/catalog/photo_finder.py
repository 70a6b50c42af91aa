"""Finds the file that a table means by a path or address, whatever the spelling; nothing ambiguous is guessed."""

import difflib
import os
import posixpath
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from kaleido.catalog.rejects import RowError
from kaleido.catalog.sources import FileSource
from kaleido.pictures import SUFFIXES

_ADDRESS = re.compile(r"(?:https?:)?//[^/]", re.IGNORECASE)
_DRIVE = re.compile(r"(?:file:/+|[A-Za-z]:[\\/])", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")

_MOST_ALIKE = 1000
"""Files of one name that are compared by their folders."""

_COMPARED, _TOLD = 400, 20
"""Names that a missing one is compared with on either side of its place in the alphabet, and how often."""


def is_address(reference: str) -> bool:
    """Tells whether a reference is the address of a photo on a server."""
    return "//" in reference and bool(_ADDRESS.match(reference))


def has_suffix(reference: str) -> bool:
    """Tells whether a reference ends as photos do, before the query of an address."""
    return _suffix(reference.partition("?")[0]) != ""


class Found(NamedTuple):
    """A file.

    Attributes:
        path: Path in the source.
        how: What had to be done to find it: empty, `spelling` or `name`, if it was its file name alone that matched.
    """

    path: str
    how: str = ""


class PhotoFinder:
    """Finds photos in a folder or zip.

    A path is looked for as it stands; then with `/` for back-slashes, without the query, with percent codes decoded and
    without a slash in front; each in the source, in the table's folder and in the only top folder; then regardless of
    case and of how accents are composed; then with a known suffix where it has none; then in whatever one folder it
    lies. Addresses and absolute paths are matched from their end: by as many folders as agree, or by the name alone.

    The listing of the source is read once, with the first path that is not found as it stands.

    Args:
        source: Folder or zip.
        table_folder: Folder that the table lies in, as a path from the source; it may be one above, such as `..`.
        within: Folder of the source that is looked into alone; empty for all.
        by_name: Whether paths too, and not addresses alone, are matched by their file names.
    """

    def __init__(self, source: FileSource, table_folder: str = "", within: str = "", by_name: bool = False):
        self.source = source
        levels = table_folder.split("/")
        is_above = set(levels) == {".."}
        self._table_folder = "" if is_above or levels[0] in ("..", ".") else table_folder
        # How paths from a table's folder begin that lead into the source, if that lies below.
        below = Path(os.path.abspath(source.path)).parts[-len(levels) :] if is_above else ()
        start = "/".join((*below, ""))
        self._from_table = start.removesuffix(".zip/") + "/" if start.endswith(".zip/") else start
        self._within = within.strip("/")
        self._by_name = by_name
        self._told = 0

    def find(self, reference: str) -> Found | None:
        """Finds the file of a reference; None if there is none.

        Raises:
            RowError: if several files may be meant.
        """
        path = _clean(reference)
        has_drive = ":" in reference and bool(_DRIVE.match(reference))
        address, absolute = is_address(reference), has_drive or reference.startswith("/")
        if not (address or absolute) and self._is_inside(path) and self.source.has(path):
            return Found(path)
        spellings = list(filter(None, map(self._inside, _spellings(reference))))
        if address and (single := self._single(spellings)):
            return Found(single, "name")
        for spelling in spellings:
            for path in self._places(spelling):
                if self.source.has(path):
                    literal = path == f"{self._table_folder}/{_clean(reference)}"
                    return Found(path, "" if literal else "spelling")
        for spelling in spellings:
            for path in self._places(spelling):
                if found := self._index.of_path(path, reference):
                    return Found(found, "spelling")
        if address or absolute or self._by_name:
            for spelling in spellings:
                if found := self._from_end(spelling, reference):
                    return found
            return None
        for spelling in spellings:
            if found := self._index.below_any(spelling, reference):
                return Found(found, "spelling")
        return None

    def names_file(self, text: str) -> bool:
        """Tells whether a text is the path of a file as a whole: none of it is a query or a folder elsewhere."""
        path = _clean(text)
        if self._is_inside(path) and self.source.has(path):
            return True
        try:
            return any(
                self.source.has(place) or self._index.of_path(place, text)
                for spelling in filter(None, map(self._inside, _spellings(text, whole=True)))
                for place in self._places(spelling)
            )
        except RowError:  # several files have this name
            return True

    def problem(self, reference: str) -> str:
        """Says why no file was found for a reference, ending with the nearest file."""
        if is_address(reference):
            problem = f"{reference!r} is an address and no file here has its name; --fetch-photos downloads it"
            return f"{problem}{self._nearest(reference)}"
        if reference.startswith("data:"):
            return f"{reference[:30]!r}... is written into the table; save it as a file"
        problem = self.source.problem(_clean(reference)) or f"{reference!r} does not exist in {self._within!r}"
        return f"{problem}{self._nearest(reference)}" if "does not exist" in problem else problem

    def _inside(self, spelling: str) -> str:
        """Follows `..` from the table's folder; empty if that leads out of the source."""
        if ".." not in spelling.split("/"):
            return spelling
        path = posixpath.normpath(f"{self._table_folder or '.'}/{spelling.lstrip('/')}")
        return "" if path.startswith("..") else path

    def _is_inside(self, path: str) -> bool:
        return not self._within or path.startswith(f"{self._within}/")

    def _places(self, spelling: str) -> Iterator[str]:
        path = spelling.lstrip("/")
        if not path:
            return
        if self._is_inside(path):
            yield path
        if self._from_table and path.startswith(self._from_table):
            yield path.removeprefix(self._from_table)
        for folder in dict.fromkeys((self._within, self._table_folder, self._index.top)):
            if folder and self._is_inside(f"{folder}/{path}"):
                yield f"{folder}/{path}"

    def _single(self, spellings: list[str]) -> str | None:
        """Finds the file of a name that no other file has, which is quick; the longest agreement is then its own."""
        return next((found for one in spellings if (found := self._index.single(one.rpartition("/")[2]))), None)

    def _from_end(self, spelling: str, reference: str) -> Found | None:
        """Finds the file that agrees with the most folders at the end of a path."""
        parts = spelling.strip("/").split("/")
        for start in range(1, len(parts) + 1):
            ending = "/".join(parts[start - 1 :])
            for path in self._places(ending):
                if found := self._index.of_path(path, reference):
                    return Found(found, "name")
            if found := self._index.below_any(ending, reference):
                return Found(found, "name")
        return None

    @cached_property
    def _index(self) -> "_Index":
        index = _Index()
        for spelling, path in self.source.names():
            if self._is_inside(path):
                index.add(spelling, path)
        index.close()
        return index

    def _nearest(self, reference: str) -> str:
        if self._told >= _TOLD:
            return ""
        self._told += 1
        name = (_spellings(reference) or [reference])[-1].rpartition("/")[2]
        nearest = self._index.nearest(name)
        if nearest.rpartition("/")[2] == name and "/" in nearest and not self._by_name:
            folder = nearest.rpartition("/")[0]
            return f" (the nearest is {nearest!r}; --photo-root {folder!r} finds photos by their file names alone)"
        return f" (the nearest is {nearest!r})" if nearest else ""


@dataclass
class _Index:
    """Photos of a source by their spellings, regardless of case, composition of accents and suffix.

    Attributes:
        top: The only folder at the top, where no photo lies beside it; empty if there is none such.
    """

    top: str = ""
    _paths: dict[str, str | list[str]] = field(default_factory=dict)
    _names: dict[str, str | list[str]] = field(default_factory=dict)
    _tops: set[str] = field(default_factory=set)

    def add(self, spelling: str, path: str) -> None:
        """Adds a file, unless it is hidden or no photo by its name."""
        suffix = _suffix(spelling)
        if not suffix and "." in spelling.rpartition("/")[2]:
            return
        if "/." in spelling or spelling.startswith((".", "__MACOSX/")):
            return
        stem = _fold(spelling[: len(spelling) - len(suffix)])
        _put(self._paths, stem, path)
        _put(self._names, stem.rpartition("/")[2], path)
        if len(self._tops) < 2:
            self._tops.add(path.partition("/")[0] if "/" in path else "")

    def close(self) -> None:
        """Finds the top folder, once all files are there."""
        self.top = next(iter(self._tops)) if len(self._tops) == 1 else ""

    def of_path(self, path: str, reference: str) -> str | None:
        """Finds the one photo of a whole path; raises `RowError` if there are several."""
        return self._only(self._paths, path, path, reference)

    def single(self, name: str) -> str | None:
        """Returns the photo of a file name if no other photo is called like it, whatever their suffixes."""
        suffix = _suffix(name)
        found = self._names.get(_fold(name[: len(name) - len(suffix)]))
        if not isinstance(found, str) or (suffix and not _same_suffix(_suffix(found), suffix)):
            return None
        return found

    def below_any(self, path: str, reference: str) -> str | None:
        """Finds the one photo whose path ends with `path`, in any folder; raises `RowError` if there are several."""
        path = path.strip("/")
        return self._only(self._names, path.rpartition("/")[2], path, reference)

    def nearest(self, name: str) -> str:
        """Returns the path of the photo whose name is most like `name`; empty if none is like it."""
        name = _fold(name[: len(name) - len(_suffix(name))])[:200]
        if found := self._names.get(name):
            return found if isinstance(found, str) else found[0]
        names = self._sorted
        place = bisect_left(names, name)
        # With an ending in common, names of about the same length are nearer than others of no common letter.
        around = {f"{one}.***": one for one in names[max(place - _COMPARED, 0) : place + _COMPARED]}
        close = difflib.get_close_matches(f"{name}.***", around, n=1, cutoff=0.0)
        if not close:
            return ""
        found = self._names[around[close[0]]]
        return found if isinstance(found, str) else found[0]

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._names)

    def _only(self, places: dict[str, str | list[str]], key: str, path: str, reference: str) -> str | None:
        suffix = _suffix(key)
        group = places.get(_fold(key[: len(key) - len(suffix)]))
        if group is None:
            return None
        group = [group] if isinstance(group, str) else group
        if places is self._names and "/" in path:
            if len(group) > _MOST_ALIKE:
                return None
            ending = "/" + _fold(path[: len(path) - len(suffix)])
            group = [one for one in group if f"/{_fold(one[: len(one) - len(_suffix(one))])}".endswith(ending)]
        if suffix:
            group = [one for one in group if _same_suffix(_suffix(one), suffix)]
        if len(group) > 1:
            exact = [one for one in group if f"/{one}".endswith(f"/{path}")]
            group = exact if len(exact) == 1 else group
        if len(group) > 1:
            raise RowError(
                f"photo {reference!r} may be {group[0]!r} or {group[1]!r}"
                f"{f' or one of {len(group) - 2:,} others' if len(group) > 2 else ''}; write the path of the one meant"
            )
        return group[0] if group else None


def _put(places: dict[str, str | list[str]], key: str, path: str) -> None:
    known = places.setdefault(key, path)
    if isinstance(known, list):
        if path not in known[-1:]:
            known.append(path)
    elif known != path:
        places[key] = [known, path]


_SAME = {".jpeg": ".jpg", ".jfif": ".jpg", ".tiff": ".tif", ".heif": ".heic"}
"""Suffixes of one format."""


def _same_suffix(one: str, other: str) -> bool:
    one, other = one.lower(), other.lower()
    return _SAME.get(one, one) == _SAME.get(other, other)


def _suffix(path: str) -> str:
    """The suffix of a path as it stands there if it is a photo's, else an empty text."""
    _, dot, suffix = path.rpartition(".")
    return dot + suffix if f".{suffix.lower()}" in SUFFIXES and dot else ""


def _fold(path: str) -> str:
    """Makes spellings equal that differ in case, kind of slash or composition of accents."""
    path = path.replace("\\", "/")
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _clean(path: str) -> str:
    """Leaves out `.` and doubled slashes; `..` is kept, to be refused."""
    if "./" not in path and "//" not in path and not path.endswith(("/", "/.")):
        return path
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def _spellings(reference: str, whole: bool = False) -> list[str]:
    """Lists what a reference may mean, from the literal to the decoded; `whole` leaves no query out."""
    if is_address(reference):
        try:
            path = urlsplit(reference).path
        except ValueError:
            return [reference]
        return list(dict.fromkeys((_clean(path), _clean(unquote(path)))))
    spellings = [_clean(_DRIVE.sub("/", reference))]
    for change in (
        lambda path: _clean(path.replace("\\", "/")),
        lambda path: path if whole else re.split(r"[?#]", path, maxsplit=1)[0],
        lambda path: unquote(path) if _PERCENT.search(path) else path,
    ):
        spellings += [other for spelling in spellings if (other := change(spelling)) not in spellings]
    return [spelling for spelling in spellings if spelling]
