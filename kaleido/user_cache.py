"""Folder of what is fetched or compiled once and used again."""

import os
from pathlib import Path

VARIABLE = "KALEIDO_CACHE"


def user_cache(part: str) -> Path:
    """Returns the folder of one kind of content, in `$KALEIDO_CACHE` or else `~/.cache/kaleido`; it may not exist."""
    chosen = os.environ.get(VARIABLE)
    return (Path(chosen) if chosen else Path.home() / ".cache" / "kaleido") / part
