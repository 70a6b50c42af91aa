"""Brings an index up to date with a catalogue, in one commit of the store."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.catalog.product import Photo
from kaleido.catalog.rejects import OnError
from kaleido.errors import UserError
from kaleido.pretrained.model import Model
from kaleido.pretrained.processor import prepare_config_of
from kaleido.search.encoder import kinds_of, model_checksum
from kaleido.search.fields import PREFIX, FieldKind, kinds_of_fields
from kaleido.search.products import Products
from kaleido.search.rows import (
    Known,
    Listed,
    listed_photos,
    no_numbers,
    picture_of,
    row_batches,
    schema_of,
    state_of,
    to_encode,
)
from kaleido.search.store import VECTOR, Store, quoted
from kaleido.search.vector_file import vectors_of
from kaleido.search.vectors import Vectors, embed
from kaleido.user_cache import user_cache


@dataclass(frozen=True)
class Changes:
    """What a call has changed in an index.

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
    """One change of an index.

    Args:
        where: Folder, or `s3://` address, of the index.
        store: Its store; None makes it.
        products: The catalogue, or some products of it.
        model: The model.
        vectors: File of the vectors of the same source; None encodes what the index does not have.
        batch_size: Photos at once.
        on_error: What an unusable photo does.

    Attributes:
        store: The store, once it is made.
    """

    def __init__(
        self,
        where: str,
        store: Store | None,
        products: Products,
        model: Model,
        vectors: str | os.PathLike[str] | None,
        batch_size: int,
        on_error: OnError,
    ):
        self.where = where
        self._former = store
        self.products = products
        self.model = model
        self.options: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error}
        self.kind = store.about["kind"] if store else ("image" if "image" in kinds_of(model) else "fused")
        self._vectors = Path(vectors) if vectors is not None else None
        if "://" in where:
            digest = hashlib.sha256(where.encode()).hexdigest()[:32]
            self._work = user_cache("indexes") / f"{digest}.parquet"
        else:
            self._work = Path(where) / "new.parquet"

    def run(self, remove: bool) -> Changes:
        """Makes the change; `remove` removes what the products lack."""
        listed = listed_photos(self.products)
        known = self._known()
        found, stamps, notes, skipped = self._encoded(known)
        stamps |= dict(zip(found.photos, found.stamps)) if found else {}
        usable = [(product, photo) for product, photo in listed if photo.id in stamps]
        changed = [
            (product, photo)
            for product, photo in usable
            if photo.id not in known or known[photo.id].state != state_of(product, photo, stamps[photo.id])
        ]
        kinds = self._field_kinds()
        size = found.header.dtype and _size(found, self.kind) if found else self._size()
        schema = schema_of(size, kinds)
        gone = self._gone(listed, known, remove)
        rows = row_batches(
            changed, stamps, schema, kinds, partial(self._vectors_of, found), partial(self._picture, known, stamps)
        )
        if self._former is None:
            self.store = Store.create(self.where, rows, self._about())
        else:
            self.store = self._former
            self.store.change(rows if changed else None, gone, schema)
        self.store.organise()
        self._work.unlink(missing_ok=True)
        new = sum(photo.id not in known for _, photo in changed)
        ids = ({one.id for key, one in known.items() if key not in set(gone)}) | {product.id for product, _ in usable}
        return Changes(new, len(changed) - new, len(gone), len(ids), skipped, [*notes, *no_numbers(changed, kinds)])

    def _known(self) -> dict[str, Known]:
        if self._former is None:
            return {}
        rows = self._former.rows(["photo", "id", "state", "stamp", "text"])
        return {row["photo"]: Known(row["id"], row["state"], row["stamp"], row["text"]) for row in rows.to_pylist()}

    def _encoded(self, known: Mapping[str, Known]) -> tuple[Vectors | None, dict[str, str], list[str], list[str]]:
        """Gives vectors of photos, checksums of photos whose vectors the index has, notes, and what was left out."""
        if self._vectors is not None:
            found = embed(self.products, self.model, self._vectors, **self.options)
            if getattr(found, self.kind) is None:
                raise UserError(f"{self._vectors}: has no vectors of the kind {self.kind}, which the index needs")
            return found, {}, list(found.notes), list(found.skipped)
        left, stamps = to_encode(self.products, known, self.kind == "fused") if known else (self.products, {})
        if not left.products:
            return None, stamps, list(self.products.notes), list(self.products.skipped)
        found = embed(left, self.model, self._work, kinds=(self.kind,), overwrite=True, **self.options)
        return found, stamps, list(found.notes), list(found.skipped)

    def _gone(self, listed: Sequence[Listed], known: Mapping[str, Known], remove: bool) -> list[str]:
        """Photos to remove: those that a product no longer has and, if `remove`, those of products that are gone."""
        there = {photo.id for _, photo in listed}
        products = {product.id for product, _ in listed}
        return [key for key, one in known.items() if key not in there and (remove or one.id in products)]

    def _field_kinds(self) -> dict[str, FieldKind]:
        kinds = kinds_of_fields(self.products.products)
        if self._former:
            for field in self._former.schema:
                if field.name.startswith(PREFIX):
                    kinds[field.name.removeprefix(PREFIX)] = "number" if field.type == "double" else "text"
        return kinds

    def _size(self) -> int:
        assert self._former
        return self._former.schema.field(VECTOR).type.list_size

    def _vectors_of(self, found: Vectors | None, keys: Sequence[str]) -> np.ndarray:
        places = {key: place for place, key in enumerate(found.photos)} if found else {}
        vectors = np.zeros((len(keys), self._size() if found is None else _size(found, self.kind)), np.float16)
        missing = [key for key in keys if key not in places]
        stored = {}
        if missing and self._former:
            rows = self._former.rows(["photo", VECTOR], f"photo IN ({', '.join(map(quoted, missing))})")
            stored = dict(zip(rows["photo"].to_pylist(), vectors_of(rows[VECTOR])))
        for row, key in enumerate(keys):
            vectors[row] = getattr(found, self.kind)[places[key]] if key in places else stored[key]
        return vectors

    def _picture(self, known: Mapping[str, Known], stamps: Mapping[str, str], photo: Photo) -> bytes:
        if self._former and photo.id in known and known[photo.id].stamp == stamps[photo.id]:
            return self._former.rows(["thumbnail"], f"photo = {quoted(photo.id)}", 1)["thumbnail"][0].as_py()
        config = prepare_config_of(self.model.config, self.model.directory)
        return picture_of(self.products, photo, config.max_megapixels)

    def _about(self) -> dict[str, Any]:
        return {
            "format": 1,
            "model": model_checksum(self.model),
            "model_place": os.path.abspath(self.model.directory),
            "task": self.model.task,
            "kind": self.kind,
            "source": self.products.place,
        }


def _size(vectors: Vectors, kind: str) -> int:
    return getattr(vectors, kind).shape[1]
