"""The vector store: a LanceDB table with a row a photo; the one module that knows LanceDB.

Every change is one commit of LanceDB, so that readers see the table before it or after it, and a killed writer leaves
it as it was.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.errors import UserError
from kaleido.extras import missing_extras_named

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "photos"
VECTOR = "vector"

_METADATA = b"kaleido"


class Store:
    """An index's table.

    Args:
        where: Folder, or `s3://` address.
        table: The table of LanceDB.
    """

    def __init__(self, where: str, table: Any):
        self.where = where
        self._table = table

    @classmethod
    def open(cls, where: str) -> "Store":
        """Opens the table of an index.

        Raises:
            UserError: if there is none.
        """
        with refusals_told(where):
            database = _connect(where)
            if TABLE not in _names(database):
                raise UserError(f"{where}: no index here; make one with `kaleido index SOURCE --model M --out {where}`")
            return cls(where, database.open_table(TABLE))

    @classmethod
    def exists(cls, where: str) -> bool:
        """Tells whether there is an index."""
        with refusals_told(where):
            return TABLE in _names(_connect(where))

    @classmethod
    def create(cls, where: str, rows: "pa.RecordBatchReader", about: Mapping[str, Any]) -> "Store":
        """Makes a table of rows, in place of one that is there.

        Args:
            where: Folder, or `s3://` address.
            rows: The rows.
            about: Description of the index, in JSON types.

        Raises:
            UserError: if it cannot be written.
        """
        schema = rows.schema.with_metadata({_METADATA: json.dumps(about)})
        with refusals_told(where):
            return cls(where, _connect(where).create_table(TABLE, rows, schema=schema, mode="overwrite"))

    @property
    def about(self) -> dict[str, Any]:
        """Description of the index, as `create` got it."""
        return json.loads((self._table.schema.metadata or {}).get(_METADATA, b"{}"))

    @property
    def schema(self) -> "pa.Schema":
        """Columns of the rows."""
        return self._table.schema

    @property
    def version(self) -> int:
        """Number of the newest commit."""
        return self._table.version

    def count(self) -> int:
        """Counts the rows."""
        return self._table.count_rows()

    def nearest(self, vector: np.ndarray, where: str | None, limit: int, columns: Sequence[str]) -> "pa.Table":
        """Finds the rows of the most similar vectors, in falling order, with their `_distance`, 1 - cosine."""
        query = self._table.search(vector.astype(np.float32), vector_column_name=VECTOR).metric("cosine")
        query = query.select([*columns, "_distance"]).limit(limit)
        if where:
            query = query.where(where)
        with refusals_told(self.where):
            return query.to_arrow()

    def rows(self, columns: Sequence[str], where: str | None = None, limit: int | None = None) -> "pa.Table":
        """Reads columns of the rows that a filter lets through."""
        query = self._table.search().select(list(columns)).limit(limit or max(1, self.count()))
        if where:
            query = query.where(where)
        with refusals_told(self.where):
            return query.to_arrow()

    def change(
        self, rows: "pa.RecordBatchReader | None", removed: Sequence[str], schema: "pa.Schema | None" = None
    ) -> None:
        """Adds rows, replaces those of the same photos, and removes the rows of other photos, in one commit.

        Args:
            rows: New and changed rows; None if there are none.
            removed: Photos to remove.
            schema: Columns of the rows; those that the table lacks are added to it first.
        """
        condition = f"photo IN ({', '.join(map(quoted, removed))})" if removed else ""
        with refusals_told(self.where):
            if rows is None:
                if removed:
                    self._table.delete(condition)
                return
            if new := [field for field in schema or () if field.name not in self._table.schema.names]:
                self._table.add_columns(new)
            merge = self._table.merge_insert("photo").when_matched_update_all().when_not_matched_insert_all()
            if removed:
                merge = merge.when_not_matched_by_source_delete(condition)
            merge.execute(rows)

    def organise(self) -> None:
        """Joins small files and takes new rows into the indexes of the store; readers are not disturbed."""
        with refusals_told(self.where):
            self._table.optimize()


def quoted(text: str) -> str:
    """Writes a text as SQL does."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def refusals_told(where: str) -> Iterator[None]:
    """Turns what the store raises into a UserError of one line."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{where}: {_line(error)}") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    # The store names places of its own source code.
    text = re.sub(r",? (?:at )?[\w/.-]+\.rs:\d+(?::\d+)?", "", text)
    return text[:300]


def _connect(where: str) -> Any:
    os.environ.setdefault("LANCE_LOG", "error")
    with missing_extras_named():
        import lancedb

    return lancedb.connect(where, read_consistency_interval=timedelta(seconds=1))


def _names(database: Any) -> list[str]:
    return list(database.list_tables().tables)
