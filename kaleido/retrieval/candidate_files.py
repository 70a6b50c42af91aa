"""Reads and writes candidate lists as JSON lines, by ids, so that they fit any records of the same products.

The first line is `{"format": "kaleido candidates 1"}`; `write_lists` adds `settings` and the `sha256` of all other
lines. Every other line is one list, for example

    {"direction": "i2t", "query": "PHOTO", "candidates": ["PRODUCT", "PRODUCT"], "labels": [0, 1]}

with a `repeat` if queries were drawn several times. For `t2i` the query is a product and the candidates are photos.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.retrieval.candidates import CandidateLists
from kaleido.retrieval.config import DIRECTIONS
from kaleido.retrieval.gallery import Gallery
from kaleido.untrusted import MAX_FILE, Text, checked, read_plain

FORMAT = "kaleido candidates 1"


class _Header(TypedDict):
    format: Text
    settings: NotRequired[Any]
    gallery: NotRequired[Any]
    notes: NotRequired[dict[Text, dict[Text, Any]]]
    sha256: NotRequired[Text]


class _List(TypedDict):
    direction: Literal["i2t", "t2i"]
    query: Text
    candidates: list[Text]
    labels: list[Literal[0, 1]]
    repeat: NotRequired[Annotated[int, Field(ge=0, lt=2**31)]]


def gallery_identity(gallery: Gallery) -> dict[str, Any]:
    """Identifies the products and photos of a gallery, independently of how the photos were encoded, in JSON types."""
    digest = hashlib.sha256("\n".join([*gallery.text_ids, "", *gallery.photo_ids]).encode())
    digest.update(gallery.text_of_photo.astype("<i8").tobytes())
    return {
        "split": gallery.records.split,
        "texts": len(gallery.text_ids),
        "photos": len(gallery.photo_ids),
        "sha256": digest.hexdigest(),
    }


def write_lists(path: Path, gallery: Gallery, lists: Mapping[str, CandidateLists], settings: Mapping[str, Any]) -> None:
    """Writes candidate lists to a file.

    Args:
        path: Path of the file to write.
        gallery: Gallery that the queries and candidates belong to.
        lists: Candidate lists by direction.
        settings: Settings that the lists were drawn with, in JSON types.
    """
    lines = []
    for direction, of_direction in lists.items():
        query_ids, candidate_ids = _ids(gallery, direction)
        bounds = zip(of_direction.offsets[:-1].tolist(), of_direction.offsets[1:].tolist())
        for repeat, query, (start, end) in zip(of_direction.repeats.tolist(), of_direction.queries.tolist(), bounds):
            line = {
                "direction": direction,
                "repeat": repeat,
                "query": query_ids[query],
                "candidates": [candidate_ids[item] for item in of_direction.candidates[start:end].tolist()],
                "labels": of_direction.labels[start:end].astype(int).tolist(),
            }
            lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    body = "".join(lines).encode()
    notes = {direction: dict(of_direction.notes) for direction, of_direction in lists.items()}
    header = {
        "format": FORMAT,
        "settings": settings,
        "gallery": gallery_identity(gallery),
        "notes": notes,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    write_atomically(path, json.dumps(header).encode() + b"\n" + body)


def read_lists(path: Path, gallery: Gallery, settings: Mapping[str, Any] | None = None) -> dict[str, CandidateLists]:
    """Reads candidate lists, from `write_lists` or from any other program.

    Args:
        path: Path of the file.
        gallery: Gallery that the queries and candidates belong to.
        settings: Settings that the lists must have been drawn with; None accepts any.

    Returns:
        Candidate lists by direction, for the directions that the file has.

    Raises:
        UserError: if the file is missing or damaged, was drawn with other settings or for another gallery, names an
            item that the gallery does not have, or has a query without exactly one positive.
    """
    first, _, body = read_plain(path, MAX_FILE).partition(b"\n")
    advice = f'not a file of candidate lists; the first line must be {{"format": "{FORMAT}"}}'
    header: _Header = checked(_Header, first, path, advice)
    if header["format"] != FORMAT:
        raise UserError(f"{path}: {advice}. Received: {header['format']!r:.100}")
    if header.get("sha256", hashlib.sha256(body).hexdigest()) != hashlib.sha256(body).hexdigest():
        raise UserError(f"{path}: damaged: its lists do not match its checksum; remove the file to draw them again")
    if settings is not None and (
        header.get("settings") != settings or header.get("gallery") != gallery_identity(gallery)
    ):
        raise UserError(f"{path}: drawn with other settings or for other products; name another file or remove it")
    found: dict[str, list] = {direction: [] for direction in DIRECTIONS}
    places = {direction: [_places(ids) for ids in _ids(gallery, direction)] for direction in DIRECTIONS}
    for number, line in enumerate(body.splitlines(), 2):
        direction, *values = _read_line(f"{path}, line {number}", line, places)
        found[direction].append(values)
    if not any(found.values()):
        raise UserError(f"{path}: contains no candidate list")
    notes = header.get("notes", {})
    return {
        direction: _joined(direction, lists, notes.get(direction, {})) for direction, lists in found.items() if lists
    }


def _ids(gallery: Gallery, direction: str) -> tuple[list[str], list[str]]:
    """Returns the ids of the items that are queries, and of those that are candidates."""
    ids = gallery.photo_ids, gallery.text_ids
    return ids if direction == "i2t" else ids[::-1]


def _places(ids: list[str]) -> dict[str, int]:
    return {id_: place for place, id_ in enumerate(ids)}


def _read_line(where: str, line: bytes, places: Mapping) -> tuple[str, int, int, np.ndarray, np.ndarray]:
    needs = f"{where}: needs a direction, a query, candidates, and one label, 0 or 1, for each candidate"
    values: _List = checked(_List, line, needs, "correct the line")
    direction, query, candidates = values["direction"], values["query"], values["candidates"]
    labels = np.array(values["labels"])
    if len(labels) != len(candidates):
        raise UserError(f"{needs}. Received: {len(labels)} labels for {len(candidates)} candidates")
    query_places, candidate_places = places[direction]
    items = [query_places.get(query, -1), *(candidate_places.get(candidate, -1) for candidate in candidates)]
    if -1 in items:
        unknown = [query, *candidates][items.index(-1)]
        raise UserError(f"{where}: the records have no such product or photo. Received: {unknown}")
    if labels.sum() != 1:
        raise UserError(f"{where}: the query {query} needs exactly one positive. Received: {labels.sum()}")
    return direction, values.get("repeat", 0), items[0], np.array(items[1:]), labels.astype(bool)


def _joined(direction, lists: list, notes: Mapping[str, Any]) -> CandidateLists:
    repeats, queries, candidates, labels = zip(*lists)
    offsets = np.concatenate([[0], np.cumsum([len(of_query) for of_query in candidates])])
    return CandidateLists(
        direction,
        np.array(repeats),
        np.array(queries),
        np.concatenate(candidates),
        np.concatenate(labels),
        offsets,
        notes,
    )
