"""The Parquet file of vectors: a row a photo, and in its metadata which model made it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from kaleido.atomic import file_written_atomically
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.untrusted import MAX_FILE, Text, checked, open_plain

if TYPE_CHECKING:
    import pyarrow as pa

Dtype = Literal["float16", "float32"]

KINDS = ("image", "text", "fused")
NAMES = {"ids": "id", "photos": "photo", "stamps": "stamp", "titles": "title", "texts": "product_text"}
"""Columns of text, by attribute of `Vectors`."""

_METADATA = b"kaleido"
_FORMAT = 1


_TYPES = "string", r"fixed_size_list<\w+: (halffloat|float)>\[[1-9]\d*\]"
"""Types of the columns of texts and of vectors."""


class _Stored(TypedDict):
    format: Literal[1]
    model: Text
    task: Text
    kinds: Annotated[list[Literal["image", "text", "fused"]], Field(min_length=1, max_length=3)]
    dtype: Dtype


@dataclass(frozen=True)
class Header:
    """Description of the vectors of a file.

    Attributes:
        model: Checksum of the model.
        task: Task of the model.
        kinds: Kinds of vectors.
        dtype: Precision of the vectors.
    """

    model: str
    task: str
    kinds: tuple[str, ...]
    dtype: Dtype

    def difference(self, other: "Header") -> str:
        """Says in what another header differs, for messages; empty if in nothing."""
        if self.model != other.model:
            return f"another model (checksum {self.model[:12]}, of the task {self.task}). Received: {other.model[:12]}"
        if self.kinds != other.kinds:
            return f"the kinds {', '.join(self.kinds)}. Received: {', '.join(other.kinds)}"
        return f"{self.dtype}. Received: {other.dtype}" if self.dtype != other.dtype else ""


def write_vectors(
    path: Path, header: Header, texts: Mapping[str, Sequence[str]], vectors: Mapping[str, np.ndarray]
) -> None:
    """Writes a file, which appears complete.

    Args:
        path: The file.
        header: What the vectors are.
        texts: Values of the columns of `NAMES` by attribute.
        vectors: float [n, d] by kind; rows of NaN are written as null.

    Raises:
        UserError: if the file cannot be written.
    """
    pa = import_pyarrow()
    from pyarrow import parquet

    columns = {NAMES[name]: pa.array(values, pa.string()) for name, values in texts.items()}
    columns |= {kind: vector_column(values.astype(header.dtype)) for kind, values in vectors.items()}
    table = pa.table(columns, metadata={_METADATA: json.dumps({"format": _FORMAT, **asdict(header)})})
    with file_written_atomically(path) as file:
        # Vectors do not compress, and dictionaries of them would be tried in vain.
        parquet.write_table(table, file, compression="zstd", use_dictionary=["id", "title"])


def read_vectors(path: Path) -> tuple[Header, dict[str, Any]]:
    """Reads a file.

    Returns:
        Its header, and the attributes of `Vectors`: texts as lists, vectors as [n, d] with NaN for null, or None.

    Raises:
        UserError: if it does not exist, is damaged, or holds something else.
    """
    pa = import_pyarrow()
    from pyarrow import parquet

    if not path.exists():
        raise UserError(f"{path}: no file of vectors here; make one with `kaleido embed`")
    try:
        with open_plain(path, MAX_FILE) as file:
            opened = parquet.ParquetFile(file)
            content = (opened.schema_arrow.metadata or {}).get(_METADATA, b"null")
            header = checked(_Stored, content, path, "not a file that `kaleido embed` has written")
            columns = {*NAMES.values(), *header["kinds"]}
            wrong = [
                name
                for name in columns
                if not re.fullmatch(_TYPES[name in KINDS], str(_type_of(opened.schema_arrow, name)))
            ]
            if wrong or opened.metadata.num_rows > max(1_000_000, path.stat().st_size):
                raise ValueError(f"column {wrong[0]}" if wrong else f"{opened.metadata.num_rows:,} rows")
            table = opened.read([*columns])
        found: dict[str, Any] = {name: table[column].to_pylist() for name, column in NAMES.items()}
        for kind in KINDS:
            found[kind] = vectors_of(table[kind]) if kind in columns else None
        if any(text is None for name in NAMES for text in found[name]) or any(
            np.isinf(found[kind]).any() for kind in header["kinds"]
        ):
            raise ValueError("texts are missing, or vectors are not finite")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: not a file of vectors, or damaged ({' '.join(str(error).split())[:200]})") from None
    return Header(header["model"], header["task"], tuple(header["kinds"]), header["dtype"]), found


def _type_of(schema: "pa.Schema", name: str) -> Any:
    return schema.field(name).type if schema.get_field_index(name) >= 0 else None


def vector_column(values: np.ndarray) -> "pa.FixedSizeListArray":
    """Makes a column of vectors of [n, d]; rows of NaN are null."""
    pa = import_pyarrow()

    empty = np.isnan(values).any(axis=1)
    flat = pa.array(np.where(empty[:, None], 0, values).ravel().astype(values.dtype))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=pa.array(empty))


def vectors_of(column: "pa.ChunkedArray") -> np.ndarray:
    """Gives a column of vectors as [n, d]; rows of null are NaN."""
    size = column.type.list_size
    parts = []
    for chunk in column.chunks:
        # `values` holds the numbers of all rows, also of those that are null.
        flat = np.asarray(chunk.values)[chunk.offset * size : (chunk.offset + len(chunk)) * size]
        part = flat.reshape(-1, size).copy()
        part[np.asarray(chunk.is_null())] = np.nan
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty((0, size), column.type.value_type.to_pandas_dtype())


def import_pyarrow() -> Any:
    """Imports pyarrow, or names the extra that it belongs to."""
    with missing_extras_named():
        import pyarrow

    return pyarrow
