"""An index: a catalogue to search in by text, by photo and by similarity."""

import difflib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.rejects import OnError
from kaleido.errors import UserError
from kaleido.network_folder import is_network_folder
from kaleido.pretrained.hub import load
from kaleido.pretrained.inputs import Photo
from kaleido.pretrained.model import BATCH_SIZE, Model
from kaleido.progress import progress_bars
from kaleido.search.encoder import model_checksum
from kaleido.search.fields import OWN, Column, FieldKind, kinds_of_schema, most_frequent, stored_name
from kaleido.search.hits import Entry, Hit, NotInIndex, fields_of_row, hit_of_row
from kaleido.search.products import Products, TableReading, open_products
from kaleido.search.query import query_vector, unit, unknown_words
from kaleido.search.store import VECTOR, Store, one_of
from kaleido.search.update import Changes, Update
from kaleido.search.vector_file import vectors_of
from kaleido.search.where import Filter
from kaleido.text import Tokenizer, load_tokenizer

MOST_HITS = 10_000
"""Largest number of results that can be asked for."""

_SHOWN = ("id", "photo", "title", "text")


class Index:
    """Products of a catalogue with the vectors of their photos, made by `build` and opened by `open`.

    An index is a folder or lies in a bucket, `s3://BUCKET/PATH`. It has thumbnails of the photos, so that it can be
    used without them, and may be read while it is changed: a search sees all of a change or nothing of it.

    Attributes:
        where: Folder, or `s3://` address.
        changes: What `build` has changed; None of an index that was opened.
    """

    changes: Changes | None = None

    def __init__(self, store: Store, model: Model | None = None, matcher: Model | None = None):
        self.where = store.where
        self._store = store
        self._model = model
        self._matcher = matcher
        self._tokenizer: Tokenizer | None = None
        self._columns: tuple[int, tuple[Column, ...]] | None = None

    @classmethod
    def build(
        cls,
        where: str | os.PathLike[str],
        source: str | os.PathLike[str] | Catalog | Products,
        model: str | os.PathLike[str] | Model,
        *,
        vectors: str | os.PathLike[str] | None = None,
        reading: TableReading = TableReading(),
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        overwrite: bool = False,
        progress: bool = True,
    ) -> "Index":
        """Makes an index of a catalogue, or makes one that is there equal to the catalogue.

        Args:
            where: Folder, or `s3://BUCKET/PATH`, of the index.
            source: A catalogue, a folder of photos, or a table, as `embed` takes them.
            model: Model that makes vectors of photos, or what `load` takes for it.
            vectors: Parquet file with the vectors of the same source, which is made or completed as by `embed`; None
                encodes the photos that the index does not have and keeps no file.
            reading: How a table is read.
            batch_size: Photos at once.
            on_error: What an unusable photo or row does: `stop`, or `skip`.
            overwrite: Whether an index of another model is replaced.
            progress: Whether progress bars are drawn.

        Raises:
            UserError: if there is an index of another model, or the source or the store cannot be used.
        """
        model = model if isinstance(model, Model) else load(model, progress=progress)
        index = cls(Store(os.fspath(where)))
        index._model = model
        # Looked at under the lock: another process may make an index meanwhile.
        with progress_bars(progress), index._store.locked():
            if index._store.exists and not overwrite:
                index._store.check()
                index._checked(model)
            products = open_products(source, reading, on_error)
            update = Update(index._store, products, model, vectors, batch_size, on_error, progress, overwrite)
            index.changes = update.run(remove=True)
        return index

    @classmethod
    def open(
        cls,
        where: str | os.PathLike[str],
        model: str | os.PathLike[str] | Model | None = None,
        matcher: str | os.PathLike[str] | Model | None = None,
    ) -> "Index":
        """Opens an index.

        Args:
            where: Folder, or `s3://` address, of the index.
            model: The model that made it, or what `load` takes for it; None is the folder that it lay in then, which
                is loaded when a text or a photo is first searched for.
            matcher: Model with a matching head, for `rerank`; None is the model itself.

        Raises:
            UserError: if there is no index, or another model made it.
        """
        found = load(matcher) if isinstance(matcher, str | os.PathLike) else matcher
        index = cls(Store(os.fspath(where)), None, found)
        if not index._store.exists:
            raise UserError(f"{where}: no index here; make one with `kaleido index SOURCE --model MODEL --out {where}`")
        index._store.check()
        if model is not None:
            index._model = index._checked(model if isinstance(model, Model) else load(model))
        return index

    def __len__(self) -> int:
        return len(set(self._store.rows(["id"])["id"].to_pylist()))

    @property
    def about(self) -> Mapping[str, Any]:
        """Description of the index: the model that made it, the kind of its vectors, and its source."""
        return self._store.about

    @property
    def model(self) -> Model:
        """The model that made the index.

        Raises:
            UserError: if it is gone or has changed.
        """
        if self._model is None:
            place = self.about["model_place"]
            try:
                # An index of someone else may name any address.
                if not is_network_folder(Path(place)):
                    raise UserError(f"{place}: no model folder")
                found = load(place)
            except UserError as error:
                raise UserError(
                    f"{self.where}: the model that made this index cannot be loaded; name it by --model: {error}"
                ) from None
            self._model = self._checked(found)
        return self._model

    @property
    def matcher(self) -> Model:
        """The model whose matching head `rerank` uses."""
        return self._matcher or self.model

    def _checked(self, model: Model) -> Model:
        made, given = self.about["model"], model_checksum(model)
        if made != given:
            raise UserError(
                f"{self.where}: another model made this index ({made[:12]}, from {self.about['model_place']}); name "
                f"that one, or make the index anew with --overwrite. Received: {model.directory} ({given[:12]})"
            )
        return model

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that can be filtered by, with their usual values."""
        version = self._store.version
        if self._columns is None or self._columns[0] != version:
            self._columns = (version, self._read_columns())
        return self._columns[1]

    @property
    def _fields(self) -> dict[str, FieldKind]:
        """Kinds of the catalogue's columns."""
        return kinds_of_schema(self._store.schema)

    @property
    def _filterable(self) -> dict[str, tuple[str, FieldKind]]:
        own: dict[str, tuple[str, FieldKind]] = {name: (name, "text") for name in OWN}
        return own | {label: (stored_name(label), kind) for label, kind in self._fields.items()}

    def _read_columns(self) -> tuple[Column, ...]:
        rows = self._store.rows(["id", *map(stored_name, self._fields)])
        _, first = np.unique(np.asarray(rows["id"].to_pylist(), object).astype(str), return_index=True)
        found = [Column(name, "text", {}) for name in OWN]
        for label, kind in self._fields.items():
            values = [value for value in rows[stored_name(label)].take(first).to_pylist() if value is not None]
            if kind == "number":
                found.append(Column(label, "number", {}, min(values, default=None), max(values, default=None)))
            else:
                found.append(Column(label, "text", most_frequent(values)))
        return tuple(found)

    def encode(self, text: str | None = None, photo: Photo | None = None) -> np.ndarray:
        """Computes the vector that is searched for: float32 [d], of length 1.

        Args:
            text: A text.
            photo: A photo in any form that `Model` takes; with a text, the mean of both is searched for.

        Raises:
            UserError: if neither is given, the photo cannot be read, or the model cannot encode it.
        """
        if text is None and photo is None:
            raise UserError("nothing to search for; give a text, a photo or both")
        if text is not None and (note := self.check_text(text)):
            warnings.warn(note, stacklevel=3)
        return query_vector(self.model, self.about["kind"], self.where, text, photo)

    def check_text(self, text: str) -> str:
        """Checks that a text can be searched for.

        Returns:
            What the caller should know of unknown words; empty if there are none.

        Raises:
            UserError: if it has no word that the model knows.
        """
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"the text to search for must have some words. Received: {text!r:.100}")
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.model.directory)
        return unknown_words(self._tokenizer, text)

    def search(
        self,
        text: str | None = None,
        photo: Photo | None = None,
        where: str | None = None,
        top: int = 12,
        rerank: int = 0,
    ) -> list[Hit]:
        """Finds products by a text, a photo or both.

        Args:
            text: What is looked for.
            photo: A photo in any form that `Model` takes.
            where: Filter on the catalogue's columns, as in SQL: `category = 'dresses' and price < 50`.
            top: Number of products to find, in [1, 10000].
            rerank: Number of the products found first that the model's matching head puts into a new order by text and
                photo; 0 for none.

        Returns:
            Different products, the most similar first.

        Raises:
            UserError: if nothing is given, the filter cannot be used, or the model cannot encode what is given.
        """
        _check_top(top)
        _check_top(rerank or 1, "rerank")
        if rerank and text is None:
            raise UserError("rerank compares a text with photos; give a text as well. Received: a photo alone")
        hits = self.nearest(self.encode(text, photo), where, max(top, rerank))
        return (self._reranked(hits[:rerank], text or "") + hits[rerank:])[:top]

    def _reranked(self, hits: Sequence[Hit], text: str) -> list[Hit]:
        """Orders hits by the matching head, which reads their thumbnails."""
        if not hits:
            return []
        matches = self.matcher.match([self.thumbnail(hit.photo) for hit in hits], text, progress=False)
        matched = [replace(hit, match=float(match)) for hit, match in zip(hits, matches, strict=True)]
        return sorted(matched, key=lambda hit: -(hit.match or 0))

    def similar(self, product_id: str, where: str | None = None, top: int = 12) -> list[Hit]:
        """Finds products whose photos are similar to those of a product, which is not among them.

        Args:
            product_id: The product.
            where: As for `search`.
            top: As for `search`.

        Raises:
            UserError: if there is no such product, or the filter cannot be used.
        """
        _check_top(top)
        rows = self._store.rows(["id", VECTOR], one_of("id", [product_id]))
        if not len(rows):
            raise self._no_product(product_id)
        vectors = vectors_of(rows[VECTOR]).astype(np.float32)
        hits = self.nearest(unit(vectors.mean(axis=0)), where, top + 1)
        return [hit for hit in hits if hit.id != product_id][:top]

    def nearest(self, vector: np.ndarray, where: str | None = None, top: int = 12) -> list[Hit]:
        """Finds the products with the photos most similar to a vector.

        Args:
            vector: float32 [d], as `encode` gives it.
            where: As for `search`.
            top: As for `search`.
        """
        _check_top(top)
        names = [*_SHOWN, *map(stored_name, self._fields)]
        condition = Filter(where, self._filterable).condition if where and where.strip() else None
        limit = 2 * top
        while True:
            rows = self._store.nearest(vector, condition, limit, names)
            ids = rows["id"].to_pylist()
            first: dict[str, int] = {}
            for place, name in enumerate(ids):
                first.setdefault(name, place)
            if len(first) >= top or len(ids) < limit:
                break
            limit *= 4
        return [hit_of_row(row) for row in rows.take(np.array(list(first.values())[:top], np.int64)).to_pylist()]

    def get(self, product_id: str) -> Entry:
        """Gives a product of the index.

        Raises:
            UserError: if there is none of that id.
        """
        rows = self._store.rows([*_SHOWN, *map(stored_name, self._fields)], one_of("id", [product_id])).to_pylist()
        if not rows:
            raise self._no_product(product_id)
        photos = tuple(sorted(row["photo"] for row in rows))
        return Entry(product_id, rows[0]["title"], rows[0]["text"], photos, fields_of_row(rows[0]))

    def thumbnail(self, photo: str) -> bytes:
        """Gives the thumbnail of a photo as JPEG, at most 256 pixels a side.

        Args:
            photo: Key of the photo, as `Hit.photo` and `Entry.photos` have it.

        Raises:
            UserError: if there is none.
        """
        rows = self._store.rows(["stamp"], one_of("photo", [photo]))
        found = self._store.thumbnail(rows["stamp"][0].as_py()) if len(rows) else None
        if found is None:
            raise NotInIndex(f"{self.where}: no photo of this key in the index. Received: {photo!r:.200}")
        return found

    def update(
        self,
        source: str | os.PathLike[str] | Catalog | Products,
        *,
        remove: bool = False,
        vectors: str | os.PathLike[str] | None = None,
        reading: TableReading = TableReading(),
        batch_size: int = BATCH_SIZE,
        on_error: OnError = "stop",
        progress: bool = True,
    ) -> Changes:
        """Adds the new products of a source and replaces those that changed, in one step.

        Whoever searches meanwhile finds all of the change or nothing of it, and so does who comes after a process that
        was killed.

        Args:
            source: As for `build`.
            remove: Whether products that the source lacks are removed.
            vectors, reading, batch_size, on_error, progress: As for `build`.

        Raises:
            UserError: if the source or the store cannot be used.
        """
        products = open_products(source, reading, on_error)
        with progress_bars(progress), self._store.locked():
            return Update(self._store, products, self.model, vectors, batch_size, on_error, progress).run(remove)

    def remove(self, ids: Sequence[str]) -> Changes:
        """Removes products, in one step.

        Raises:
            UserError: if one of them is not there, or another process changes the index; nothing is removed then.
        """
        with self._store.locked():
            return self._remove(ids)

    def _remove(self, ids: Sequence[str]) -> Changes:
        found: list[str] = []
        for product in dict.fromkeys(ids):
            rows = self._store.rows(["photo"], one_of("id", [product]))
            if not len(rows):
                raise self._no_product(product)
            found += rows["photo"].to_pylist()
        self._store.change(self._store.schema.empty_table(), found)
        self._store.remove_unused_thumbnails()
        return Changes(0, 0, len(found), len(self))

    def _no_product(self, product_id: str) -> UserError:
        near = difflib.get_close_matches(product_id, self._store.rows(["id"])["id"].to_pylist(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return NotInIndex(f"{self.where}: no product of this id{hint}. Received: {product_id!r:.200}")


def _check_top(top: int, name: str = "top") -> None:
    if not isinstance(top, int) or not 1 <= top <= MOST_HITS:
        raise UserError(f"{name} must be from 1 to {MOST_HITS:,}. Received: {top}")
