"""Files appear under their final name whole or not at all."""

import os
from pathlib import Path

from kaleido.errors import UserError


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `path` by way of a temporary file beside it, making its folder where needed.

    Raises:
        UserError: Where the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
