"""Photos of an import: what a table names is found, downloaded where it is an address, and looked at."""

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from kaleido.catalog.notes import Notes
from kaleido.catalog.photo_cells import SEPARATORS, PhotoCells, PhotoTemplate
from kaleido.catalog.photo_finder import PhotoFinder, has_suffix, is_address
from kaleido.catalog.rejects import RowError
from kaleido.catalog.row_reader import FieldRow
from kaleido.catalog.sources import FileSource, FolderSource, Source, open_source
from kaleido.catalog.table import nearest
from kaleido.errors import UserError
from kaleido.pictures import HEAD, LARGEST_LIMIT, MAX_MEGAPIXELS, TAIL, header_problem
from kaleido.ranges import check_range

PHOTOS, FETCHED = "photos", "fetched"
"""Names of the sources: of photos that are there, and of those that were downloaded."""

_THREADS, _TOGETHER = 4, 128
"""Threads that look at photos where that takes long, and photos that one takes at a time."""

_SLOW = 2e-4
"""Seconds to look at a photo that make it worth while to wait for several at once: threads slow each other down."""

_REMEMBERED = 100_000
"""Photos without a problem that are remembered at least, so that they are not looked at again."""


@dataclass(frozen=True)
class PhotoOptions:
    """Options of finding the photos of a table.

    Attributes:
        photo: Path built from columns, such as `images/{id:.3}/{id}.jpg`; None reads the columns of photos.
        photo_root: Folder or zip with the photos, or folder of the source, in which they are found by their file names
            alone; None finds them by their paths in the source.
        separators: Characters between the photos of one cell, where the whole cell is no file.
        fetch_photos: Whether addresses that no file here answers to are downloaded.
        check_photos: Whether the header of every photo is read, so that unusable ones are known at once.
        max_megapixels: Largest photo, in millions of pixels; see `kaleido.pictures.fit`.
    """

    photo: str | None = None
    photo_root: str | None = None
    separators: str = SEPARATORS
    fetch_photos: bool = False
    check_photos: bool = True
    max_megapixels: float = MAX_MEGAPIXELS

    def __post_init__(self):
        check_range(self, f"(0, {LARGEST_LIMIT:g}]", "max_megapixels")

    def as_json(self) -> dict[str, Any]:
        """The options that are not the default."""
        return {key: value for key, value in asdict(self).items() if value != getattr(PhotoOptions(), key)}


class Reference(NamedTuple):
    """A photo that a row names.

    Attributes:
        text: What the table says.
        uri: `SOURCE/PATH`; empty if there is no such photo.
        problem: Why the photo cannot be used; empty if it can.
    """

    text: str
    uri: str
    problem: str = ""


class Photos:
    """Finds and checks the photos of a table's rows.

    Args:
        source: Folder or zip that paths are relative to.
        columns: Columns of photos.
        options: How they are found.
        notes: Counts what was found otherwise than it is written.
        table_columns: All columns of the table, for templates.
        table_folder: Folder that the table lies in, as a path from the source.
        fetch_to: Folder for downloaded photos.

    Attributes:
        sources: Sources by the first part of a uri.
        addresses: Addresses of downloaded photos, by uri.
    """

    def __init__(
        self,
        source: Source,
        columns: Sequence[str],
        options: PhotoOptions,
        notes: Notes,
        table_columns: Sequence[str] = (),
        table_folder: str = "",
        fetch_to: Path | None = None,
    ):
        self._options = options
        self._notes = notes
        root, within = _root_of(source, options.photo_root)
        self._finder = PhotoFinder(root, table_folder, within, by_name=options.photo_root is not None)
        fields = ("id", "title", "description", "category", "subcategory", "split")
        template = PhotoTemplate(options.photo, table_columns, fields) if options.photo else None
        self._cells = PhotoCells(columns, options.separators, template, self._finder.names_file)
        self._named_by_id = not columns and template is None
        self._fetch_to = fetch_to
        self.sources: dict[str, FileSource] = {PHOTOS: root}
        self._problems: dict[str, str] = {}
        self._good: set[str] = set()
        # The first spelling of each photo found by its file name, as a hash: there may be a million.
        self._named: dict[str, int] = {}
        self.addresses: dict[str, str] = {}

    @property
    def place(self) -> str:
        """Names the column or template that names the photos, for messages."""
        return self._cells.place

    def of_rows(self, rows: Sequence[FieldRow | RowError]) -> list[list[Reference] | RowError]:
        """Finds the photos of some rows, downloads what is to be downloaded, and looks at all of them.

        Returns:
            The photos of each row, or why it cannot be read.
        """
        found = [row if isinstance(row, RowError) else self._of_row(row) for row in rows]
        named = [reference for row in found if not isinstance(row, RowError) for reference in row]
        self._fetch({one.text: one.uri for one in named if one.uri in self.addresses})
        self._look(dict.fromkeys(one.uri for one in named if one.uri))
        if not self._problems:
            return found
        return [row if isinstance(row, RowError) else [self._checked(one) for one in row] for row in found]

    def _of_row(self, row: FieldRow) -> list[Reference] | RowError:
        try:
            if self._named_by_id:
                return [self._find(text, row.fields["id"]) for text in self._cells.references(row)]
            return [self._find(text) for text in self._cells.references(row)]
        except RowError as error:
            return error

    def _find(self, text: str, name: str = "") -> Reference:
        """Finds a photo by its path, or else by the name that it has in whatever folder."""
        try:
            found = self._finder.find(text) or (self._finder.find(name) if name else None)
        except RowError as error:
            return Reference(text, "", str(error))
        if found:
            if found.how:
                what = "their file names" if found.how == "name" else "another spelling or in another folder"
                self._notes.count(f"photos found by {what}", f"{text} is {found.path}")
            if found.how == "name":
                said = hash(text.partition("?")[0])
                if self._named.setdefault(found.path, said) != said:
                    self._notes.count("different addresses of one file name", f"{text} is {found.path}")
            return Reference(text, f"{PHOTOS}/{found.path}")
        if self._options.fetch_photos and self._fetch_to and is_address(text):
            uri = f"{FETCHED}/{_name_of(text)}"
            self.addresses[uri] = text
            return Reference(text, uri)
        return Reference(text, "", f"photo {self._finder.problem(text)}")

    def _checked(self, reference: Reference) -> Reference:
        if problem := self._problems.get(reference.uri):
            path = self.addresses.get(reference.uri) or reference.uri.partition("/")[2]
            return Reference(reference.text, "", _named(problem, path))
        return reference

    def _look(self, uris: Iterable[str]) -> None:
        new = [uri for uri in uris if uri not in self._good and uri not in self._problems]
        parts = [new[start : start + _TOGETHER] for start in range(0, len(new), _TOGETHER)]
        begun = time.perf_counter()
        results = [self._look_at(part) for part in parts[:1]]
        if len(new) > _TOGETHER and time.perf_counter() - begun > _TOGETHER * _SLOW:
            with ThreadPoolExecutor(_THREADS) as threads:
                results += threads.map(self._look_at, parts[1:])
        else:
            results += map(self._look_at, parts[1:])
        if len(self._good) > _REMEMBERED:
            self._good.clear()
        for problems in results:
            self._problems.update(problems)
        self._good.update(uri for uri in new if uri not in self._problems)

    def _look_at(self, uris: Sequence[str]) -> dict[str, str]:
        return {uri: problem for uri in uris if (problem := self._problem(uri))}

    def _problem(self, uri: str) -> str:
        name, _, path = uri.partition("/")
        source = self.sources[name]
        if not self._options.check_photos:
            return source.problem(path)
        try:
            head, tail, size = source.ends(path, HEAD, TAIL)
            return header_problem(head, tail, size, partial(source.read, path), self._options.max_megapixels)
        except UserError as error:
            return str(error).rstrip(".")

    def _fetch(self, uris: dict[str, str]) -> None:
        if not uris or self._fetch_to is None:
            return
        from kaleido.fetch.addresses import fetch_addresses

        self._fetch_to.mkdir(parents=True, exist_ok=True)
        self.sources.setdefault(FETCHED, FolderSource(self._fetch_to))
        targets = {address: self._fetch_to / uri.partition("/")[2] for address, uri in uris.items()}
        new = {
            address: target
            for address, target in targets.items()
            if uris[address] not in self._problems and not target.exists()
        }
        problems = fetch_addresses(new)
        for address, problem in problems.items():
            self._problems[uris[address]] = problem
        if fetched := len(new) - len(problems):
            self._notes.count("photos downloaded", times=fetched)


def _root_of(source: Source, photo_root: str | None) -> tuple[FileSource, str]:
    """Opens the folder or zip with the photos; the second value is the folder of it that is looked into alone."""
    if not isinstance(source, FileSource):
        raise UserError(f"{source.path} must be a folder or a zip.")
    if photo_root is None:
        return source, ""
    within, folders = photo_root.strip("/"), set()
    if not os.path.isdir(source.path):
        folders = {str(parent) for _, path in source.names() for parent in PurePosixPath(path).parents}
        if within in folders:
            return source, within
    for place in (source.path / photo_root, Path(photo_root)):
        if os.path.exists(place):
            root = open_source(place)
            assert isinstance(root, FileSource)
            return root, ""
    if os.path.isdir(source.path):
        folders = {entry.name for entry in os.scandir(source.path) if entry.is_dir()}
    raise UserError(
        f"--photo-root: there is no folder or zip {photo_root!r}, and none in {source.path}"
        f"{nearest(within, tuple(folders))}; correct the path."
    )


def _name_of(address: str) -> str:
    """Path of a downloaded photo: a function of its address, in one of 256 folders."""
    digest = hashlib.blake2b(address.encode(), digest_size=16).hexdigest()
    path = address.partition("?")[0].partition("#")[0]
    suffix = PurePosixPath(path).suffix.lower() if has_suffix(path) else ""
    return f"{digest[:2]}/{digest[2:]}{suffix}"


def _named(problem: str, path: str) -> str:
    return f"photo {problem}" if problem.startswith(repr(path)) else f"photo {path!r}: {problem.removeprefix('photo ')}"
