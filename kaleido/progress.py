"""Progress bars that a caller can turn off."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tqdm as _tqdm

_HIDDEN = ContextVar("progress bars are hidden", default=False)


class tqdm(_tqdm.tqdm):
    """A tqdm bar that is not drawn inside `progress_bars(False)`."""

    def __init__(self, *args: Any, disable: bool | None = False, **options: Any):
        super().__init__(*args, disable=disable or _HIDDEN.get(), **options)

    @classmethod
    def write(cls, s: str, *args: Any, **options: Any) -> None:
        """Prints a line above the bars; where these are hidden, only warnings."""
        if not _HIDDEN.get() or s.startswith("warning: "):
            super().write(s, *args, **options)


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Shows or hides all progress bars that are made inside the `with` block."""
    token = _HIDDEN.set(not shown)
    try:
        yield
    finally:
        _HIDDEN.reset(token)
