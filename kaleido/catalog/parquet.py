"""Tables in Parquet, read batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaleido.errors import UserError
from kaleido.extras import missing_extras_named

_BATCH = 1024


def parquet_columns(path: Path, name: str) -> tuple[str, ...]:
    """Reads the names of the columns.

    Raises:
        UserError: if the file, called `name` in messages, is damaged or claims more rows than it can have.
    """
    with missing_extras_named():
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
        names = tuple(file.schema_arrow.names)
    except (ArrowException, OSError) as error:
        raise _damaged(name, error) from None
    if file.metadata.num_rows > max(1_000_000, path.stat().st_size):
        raise UserError(f"{name} claims more rows than it has bytes, as no table does.")
    return names


def parquet_rows(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yields the values of every row by column.

    Raises:
        UserError: if the file is damaged.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        for batch in ParquetFile(path).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()
    except (ArrowException, OSError, UnicodeError) as error:
        raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"{name} looks like a Parquet file, and is damaged ({reason}); write it again.")
