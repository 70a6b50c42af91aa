"""Brings an index up to date with a catalogue, in one commit of the store."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.catalog.rejects import OnError
from kaleido.errors import UserError
from kaleido.pretrained.model import Model
from kaleido.pretrained.processor import prepare_config_of
from kaleido.search.encoder import kinds_of, model_checksum
from kaleido.search.fields import kinds_of_fields, kinds_of_schema
from kaleido.search.products import Products
from kaleido.search.rows import (
    Known,
    Listed,
    listed_photos,
    no_numbers,
    rows_of,
    state_of,
    thumbnail_batches,
    thumbnail_schema,
    without_known,
)
from kaleido.search.store import VECTOR, Store, one_of
from kaleido.search.vector_file import vectors_of
from kaleido.search.vectors import Vectors, embed

_TOGETHER = 1000
"""Photos whose vectors are read from the store together."""


@dataclass(frozen=True)
class Changes:
    """Changes that a call has made to an index.

    Attributes:
        added, changed, removed: Numbers of photos.
        products: Number of products that the index has now.
        skipped: Photos and rows that were left out, and why, a line each.
        notes: What else the caller should know, a line each.
    """

    added: int
    changed: int
    removed: int
    products: int
    skipped: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        return (
            f"{self.products:,} products; photos: {self.added:,} added, {self.changed:,} changed, "
            f"{self.removed:,} removed"
        )


class Update:
    """One change of an index, by a process that has locked it from before this object was made.

    Args:
        store: The index; it is made if it is not there or `anew`.
        products: The catalogue, or some products of it.
        model: The model.
        vectors: File of the vectors of the same source; None encodes what the index does not have.
        batch_size: Photos at once.
        on_error: What an unusable photo does.
        progress: Whether progress bars are drawn.
        anew: Whether what is there is replaced.
    """

    def __init__(
        self,
        store: Store,
        products: Products,
        model: Model,
        vectors: str | os.PathLike[str] | None,
        batch_size: int,
        on_error: OnError,
        progress: bool = True,
        anew: bool = False,
    ):
        self.store = store
        self.products = products
        self.model = model
        self.options: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error, "progress": progress}
        self._there = store.exists and not anew
        self.kind = store.about["kind"] if self._there else ("image" if "image" in kinds_of(model) else "fused")
        self._vectors = Path(vectors) if vectors is not None else None
        # Vectors of photos that are being encoded; they are kept until the commit, so that a killed call goes on.
        place = hashlib.sha256(f"{store.where} {model_checksum(model)}".encode()).hexdigest()[:16]
        self._work = store.work_folder / f"new-{place}.parquet"

    def run(self, remove: bool) -> Changes:
        """Makes the change; `remove` removes the products that the catalogue lacks.

        Raises:
            UserError: if source or store cannot be used.
        """
        listed = listed_photos(self.products)
        known = self._known()
        found, stamps, notes, skipped = self._encoded(known)
        if found:
            stamps |= dict(zip(found.photos, found.stamps))
        usable = [(product, photo) for product, photo in listed if photo.id in stamps]
        changed = [
            (product, photo)
            for product, photo in usable
            if photo.id not in known or known[photo.id].state != state_of(product, photo, stamps[photo.id])
        ]
        kinds = kinds_of_fields(self.products.products)
        if self._there:
            kinds |= kinds_of_schema(self.store.schema)
        gone = _gone(listed, known, remove)
        if changed or gone or not self._there:
            self._add_thumbnails(usable, stamps)
            rows = rows_of(changed, stamps, kinds, self._vectors_of(changed, found))
            if self._there:
                self.store.change(rows, gone)
            else:
                self.store.create(rows, self._about())
            self.store.remove_unused_thumbnails()
        self._work.unlink(missing_ok=True)
        new = sum(photo.id not in known for _, photo in changed)
        left = {one.id for key, one in known.items() if key not in set(gone)}
        products = len(left | {product.id for product, _ in usable})
        notes += no_numbers(changed, kinds)
        return Changes(new, len(changed) - new, len(gone), products, skipped, notes)

    def _known(self) -> dict[str, Known]:
        if not self._there:
            return {}
        rows = self.store.rows(["photo", "id", "state", "stamp", "text"]).to_pylist()
        return {row["photo"]: Known(row["id"], row["state"], row["stamp"], row["text"]) for row in rows}

    def _encoded(self, known: Mapping[str, Known]) -> tuple[Vectors | None, dict[str, str], list[str], list[str]]:
        """Gives vectors of photos, checksums of photos whose vectors the index has, notes, and what was left out."""
        left = self.products
        stamps: dict[str, str] = {}
        if self._vectors is not None:
            found = embed(left, self.model, self._vectors, **self.options)
            if getattr(found, self.kind) is None:
                raise UserError(f"{self._vectors}: has no vectors of the kind {self.kind}, which the index needs")
            return found, stamps, list(found.notes), list(found.skipped)
        if known:
            left, stamps = without_known(self.products, known, self.kind == "fused")
        if not left.products:
            return None, stamps, list(self.products.notes), list(self.products.skipped)
        found = embed(left, self.model, self._work, kinds=(self.kind,), **self.options)
        return found, stamps, list(found.notes), list(found.skipped)

    def _add_thumbnails(self, usable: Sequence[Listed], stamps: Mapping[str, str]) -> None:
        there = self.store.stamps()
        photos = {stamps[photo.id]: photo for _, photo in usable if stamps[photo.id] not in there}
        if photos:
            limit = prepare_config_of(self.model.config, self.model.directory).max_megapixels
            self.store.add_thumbnails(thumbnail_batches(self.products, photos, limit), thumbnail_schema())

    def _vectors_of(self, listed: Sequence[Listed], found: Vectors | None) -> np.ndarray:
        """Returns vectors of photos, float16 [n, d]: those that were encoded, or else those of the index."""
        size = getattr(found, self.kind).shape[1] if found else self.store.schema.field(VECTOR).type.list_size
        vectors = np.zeros((len(listed), size), np.float16)
        encoded = {key: place for place, key in enumerate(found.photos)} if found else {}
        stored = []
        for row, (_, photo) in enumerate(listed):
            if photo.id in encoded:
                vectors[row] = getattr(found, self.kind)[encoded[photo.id]]
            else:
                stored.append(row)
        for start in range(0, len(stored), _TOGETHER):
            part = {listed[row][1].id: row for row in stored[start : start + _TOGETHER]}
            rows = self.store.rows(["photo", VECTOR], one_of("photo", part))
            values = vectors_of(rows[VECTOR])
            if values.shape[1] != size:
                raise UserError(
                    f"{self.store.where}: holds vectors of another size than the model makes; make the index anew with "
                    f"--overwrite. Received: {values.shape[1]} and {size}"
                )
            vectors[[part[key] for key in rows["photo"].to_pylist()]] = values
        return vectors

    def _about(self) -> dict[str, Any]:
        return {
            "format": 1,
            "model": model_checksum(self.model),
            "model_place": os.path.abspath(self.model.directory),
            "task": self.model.task,
            "kind": self.kind,
            "source": self.products.place,
        }


def _gone(listed: Sequence[Listed], known: Mapping[str, Known], remove: bool) -> list[str]:
    """Lists photos to remove: those that a product no longer has and, if `remove`, those of products that are gone."""
    there = {photo.id for _, photo in listed}
    products = {product.id for product, _ in listed}
    return [key for key, one in known.items() if key not in there and (remove or one.id in products)]
