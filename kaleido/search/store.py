"""The vector store of an index: two tables of LanceDB; the one module that knows LanceDB.

The table `photos` has a row a photo with its vector and columns, and `thumbnails` the pictures by the checksum of the
photo. Every change is one commit of `photos`, so that readers see the table before it or after it, and a killed writer
leaves it as it was. Thumbnails are added before the photos that they belong to, and never changed.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired

import numpy as np
from typing_extensions import TypedDict

from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.locks import folder_locked, locked
from kaleido.search.fields import PREFIX
from kaleido.untrusted import Text, check_folder, checked
from kaleido.user_cache import user_cache

if TYPE_CHECKING:
    import pyarrow as pa

PHOTOS, THUMBNAILS = "photos", "thumbnails"
VECTOR = "vector"

INDEXED = 20_000
"""Rows from which on vectors are indexed; fewer are compared one by one, which is exact and as fast."""

_FRAGMENTS = 16
"""Files that changes have left, from which on they are joined."""

_KEPT = timedelta(hours=1)
"""How long the files of former versions are kept for readers."""

_UNUSED = 100
"""Thumbnails of photos that are gone, from which on they are removed, if they are a quarter of all."""

_FRESH = timedelta(seconds=1)
"""How long a reader may not see a change."""

_METADATA = b"kaleido"
_DAMAGED = "the index was altered or is damaged; make it anew with --overwrite"
_COLUMNS = dict.fromkeys(("id", "photo", "title", "text", "stamp", "state"), "string") | {
    VECTOR: r"fixed_size_list<\w+: halffloat>\[[1-9]\d*\]"
}
"""Types of the columns of `photos` that every index has."""

_NUMBERS = ("halffloat", "float", "double")


class _About(TypedDict):
    model: Text
    model_place: Text
    kind: Literal["image", "fused"]
    task: NotRequired[Text]
    source: NotRequired[Text]


class Store:
    """The tables of an index.

    Args:
        where: Folder, or `s3://` address.
    """

    def __init__(self, where: str):
        self.where = where
        self._tables: dict[str, Any] = {}

    @cached_property
    def _database(self) -> Any:
        os.environ.setdefault("LANCEDB_LOG", "error")
        with missing_extras_named():
            import lancedb

        if "://" not in self.where and os.path.isdir(self.where):
            check_folder(Path(self.where))
        with refusals_told(self.where):
            return lancedb.connect(self.where, read_consistency_interval=_FRESH, storage_options=_storage_options())

    @property
    def _there(self) -> bool:
        """Tells whether there may be an index; to connect would make the folder."""
        return "://" in self.where or os.path.isdir(self.where)

    @property
    def work_folder(self) -> Path:
        """Folder for what is made before it is committed: that of the index, or one of this user for a bucket."""
        return user_cache("indexes") if "://" in self.where else Path(self.where)

    def locked(self) -> AbstractContextManager[None]:
        """Lets this process alone change the index while the `with` block runs; an index in a bucket, of this user's.

        Raises:
            UserError: if another process changes it; names that process.
        """
        if "://" not in self.where:
            return folder_locked(self.work_folder)
        name = hashlib.sha256(self.where.encode()).hexdigest()[:16]
        return locked(self.work_folder / f".{name}.lock", self.where)

    @property
    def exists(self) -> bool:
        """Tells whether the index is there, complete."""
        return self._there and PHOTOS in self._names()

    @property
    def about(self) -> dict[str, Any]:
        """Description of the index, as `create` got it."""
        return checked(dict[str, Any], (self.schema.metadata or {}).get(_METADATA, b"{}"), self.where, _DAMAGED)

    @property
    def schema(self) -> "pa.Schema":
        """Columns of the photos."""
        return self._schema(PHOTOS)

    @property
    def version(self) -> int:
        """Number of the newest commit."""
        with refusals_told(self.where):
            return self._table(PHOTOS).version

    def check(self) -> None:
        """Checks that description and columns are those of an index.

        Raises:
            UserError: if they are another program's.
        """
        checked(_About, self.about, self.where, _DAMAGED)
        for name in {PHOTOS, THUMBNAILS} & {*self._names()}:
            found = {field.name: str(field.type) for field in self._schema(name)}
            wanted = {"stamp": "string", "jpeg": "binary"} if name == THUMBNAILS else _COLUMNS
            wrong = [column for column, kind in wanted.items() if not re.fullmatch(kind, found.get(column, ""))]
            wrong += [c for c, kind in found.items() if c.startswith(PREFIX) and kind not in ("string", "double")]
            if wrong:
                raise UserError(f"{self.where}: no column {wrong[0]} as an index has it; {_DAMAGED}")

    def count(self) -> int:
        """Counts the photos."""
        with refusals_told(self.where):
            return self._table(PHOTOS).count_rows()

    def create(self, rows: "pa.Table", about: Mapping[str, Any]) -> None:
        """Writes the photos of an index, in place of those that are there.

        Args:
            rows: The rows.
            about: Description of the index, in JSON types.

        Raises:
            UserError: if it cannot be written.
        """
        rows = rows.replace_schema_metadata({_METADATA: json.dumps(about)})
        with refusals_told(self.where):
            self._tables[PHOTOS] = table = self._database.create_table(PHOTOS, rows, mode="overwrite")
            _index_texts(table, "photo", "id")
        self._index()

    def nearest(self, vector: np.ndarray, where: str | None, limit: int, columns: Sequence[str]) -> "pa.Table":
        """Finds the photos of the most similar vectors, in falling order, with their `_distance`, 1 - cosine."""
        query = self._table(PHOTOS).search(vector.astype(np.float32), vector_column_name=VECTOR).metric("cosine")
        # Where a filter leaves few rows in the nearest partitions, further ones are looked into.
        query = query.select([*columns, "_distance"]).limit(limit).maximum_nprobes(0)
        if where:
            query = query.where(where)
        with refusals_told(self.where):
            return self._sound(query.to_arrow())

    def rows(self, columns: Sequence[str], where: str | None = None, table: str = PHOTOS) -> "pa.Table":
        """Reads columns of the rows that a filter lets through."""
        with refusals_told(self.where):
            opened = self._table(table)
            query = opened.search().select(list(columns)).limit(max(1, opened.count_rows()))
            return self._sound((query.where(where) if where else query).to_arrow())

    def _schema(self, table: str) -> "pa.Schema":
        with refusals_told(self.where):
            return self._table(table).schema

    def _sound(self, rows: "pa.Table") -> "pa.Table":
        """Refuses rows of another program: texts that are missing, and numbers that are none."""
        for name in rows.column_names:
            column = rows[name]
            numbers = column.combine_chunks().flatten() if name == VECTOR else column.drop_null()
            if (column.null_count and not name.startswith(PREFIX)) or (
                numbers.type in _NUMBERS and not np.isfinite(numbers.to_numpy(zero_copy_only=False)).all()
            ):
                raise ValueError(f"the column {name} holds values that no index has; {_DAMAGED}")
        return rows

    def change(self, rows: "pa.Table", removed: Sequence[str]) -> None:
        """Adds rows, replaces those of the same photos, and removes the rows of other photos, in one commit.

        Args:
            rows: New and changed rows; columns that the table lacks are added to it first.
            removed: Photos to remove.
        """
        table = self._table(PHOTOS)
        with refusals_told(self.where):
            if new := [field for field in rows.schema if field.name not in table.schema.names]:
                table.add_columns(new)
            merge = table.merge_insert("photo").when_matched_update_all().when_not_matched_insert_all()
            if removed:
                merge = merge.when_not_matched_by_source_delete(one_of("photo", removed))
            if len(rows):
                merge.execute(rows)
            elif removed:
                table.delete(one_of("photo", removed))
            if table.stats()["fragment_stats"]["num_fragments"] > _FRAGMENTS:
                table.optimize(cleanup_older_than=_KEPT)
        self._index()

    def remove_unused_thumbnails(self) -> None:
        """Removes the thumbnails of photos that are gone, if they are many; few stay until they are."""
        used = set(self.rows(["stamp"])["stamp"].to_pylist())
        unused = sorted(self.stamps() - used)
        if len(unused) > max(_UNUSED, len(used) // 4):
            with refusals_told(self.where):
                table = self._table(THUMBNAILS)
                table.delete(one_of("stamp", unused))
                table.optimize(cleanup_older_than=_KEPT)

    def stamps(self) -> set[str]:
        """Gives the checksums of the photos that have thumbnails."""
        return (
            set(self.rows(["stamp"], table=THUMBNAILS)["stamp"].to_pylist()) if THUMBNAILS in self._names() else set()
        )

    def add_thumbnails(self, batches: "Iterable[pa.RecordBatch]", schema: "pa.Schema") -> None:
        """Adds thumbnails: batches of `stamp` and `jpeg`."""
        with refusals_told(self.where):
            if THUMBNAILS in self._names():
                self._table(THUMBNAILS).add(iter(batches))
            else:
                table = self._database.create_table(THUMBNAILS, iter(batches), schema=schema)
                _index_texts(table, "stamp")
                self._tables[THUMBNAILS] = table

    def thumbnail(self, stamp: str) -> bytes | None:
        """Gives a thumbnail as JPEG; None if there is none."""
        rows = self.rows(["jpeg"], one_of("stamp", [stamp]), THUMBNAILS)
        return rows["jpeg"][0].as_py() if len(rows) else None

    def _index(self) -> None:
        """Indexes the vectors of a large table; queries compare the rows that came later one by one."""
        table = self._table(PHOTOS)
        with refusals_told(self.where):
            if table.count_rows() >= INDEXED and not any(VECTOR in one.columns for one in table.list_indices()):
                from lancedb.index import IvfFlat

                table.create_index(VECTOR, config=IvfFlat(distance_type="cosine"))

    def _names(self) -> list[str]:
        with refusals_told(self.where):
            return list(self._database.list_tables().tables)

    def _table(self, name: str) -> Any:
        if name not in self._tables:
            with refusals_told(self.where):
                self._tables[name] = self._database.open_table(name)
        return self._tables[name]


def _storage_options() -> dict[str, str] | None:
    """Options of an S3 server other than Amazon's, which AWS_ENDPOINT_URL names; it may speak plain HTTP."""
    address = os.environ.get("AWS_ENDPOINT_URL", "")
    return {"endpoint": address, "allow_http": str(address.startswith("http://")).lower()} if address else None


def _index_texts(table: Any, *columns: str) -> None:
    """Lets rows be found by columns that name them."""
    from lancedb.index import BTree

    for column in columns:
        table.create_index(column, config=BTree())


def one_of(column: str, values: Iterable[str]) -> str:
    """Writes the condition that a column has one of some values, in SQL."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({quoted})"


@contextmanager
def refusals_told(where: str) -> Iterator[None]:
    """Turns what LanceDB raises into a UserError of one line."""
    try:
        yield
    except BaseException as error:
        # A panic of LanceDB's code, which is written in Rust, is no `Exception`.
        if not isinstance(error, OSError | RuntimeError | ValueError) and "Panic" not in type(error).__name__:
            raise
        text = " ".join(str(error).split())
        # LanceDB names places of its own source code.
        text = re.sub(r",? ?(?:at )?/?[\w./-]+\.rs:\d+(?::\d+)?", "", text)
        raise UserError(f"{where}: the index cannot be used: {text[:300]}") from error
