"""Progress bars that a caller can turn off; where nobody watches, a line now and then."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import tqdm as _tqdm

from kaleido.terminal import drawing, escaped

EVERY = 30.0
"""Seconds between two lines where stderr is no terminal."""

_HIDDEN = ContextVar("progress bars are hidden", default=False)


class tqdm(_tqdm.tqdm):
    """A tqdm bar that is not drawn inside `progress_bars(False)`, and is a line every 30 s where stderr is no terminal.

    What takes less than 30 s has no line there.
    """

    def __init__(self, *args: Any, disable: bool | None = False, **options: Any):
        self._watched = _is_watched()
        if not self._watched:
            options |= {"mininterval": EVERY, "maxinterval": EVERY, "miniters": 1, "delay": EVERY}
        # Bars move the cursor; what they name is escaped.
        options = {"file": drawing(sys.stderr), **options}
        super().__init__(*args, disable=disable or _HIDDEN.get(), **options)

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Returns the function that draws the bar."""
        if _is_watched():
            return _tqdm.tqdm.status_printer(file)

        def write(text: str) -> None:
            if text.strip():
                with suppress(OSError):  # A log on a full disk does not end the work.
                    file.write(f"{text}\n")
                    file.flush()

        return write

    def refresh(self, *args: Any, **options: Any) -> Any:
        """Draws the bar; where nobody watches, only once it is due."""
        return super().refresh(*args, **options) if self._watched or self._is_due() else None

    def clear(self, *args: Any, **options: Any) -> None:
        """Removes the bar from the terminal, as `write` does before it prints."""
        if self._watched:
            super().clear(*args, **options)

    def moveto(self, n: int) -> None:
        """Goes to the line of one of several bars."""
        if self._watched:
            super().moveto(n)

    def close(self) -> None:
        """Draws a bar that stays for the last time, or removes it."""
        if self._watched:
            super().close()
        elif not self.disable:
            if self.leave and self.last_print_t >= self.start_t + EVERY:
                self.display()
            self.disable = True
            self._decr_instances(self)

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        super().set_postfix_str(escaped(s), refresh)

    @classmethod
    def write(cls, s: str, *args: Any, **options: Any) -> None:
        """Prints a line above the bars; where these are hidden, only warnings."""
        if not _HIDDEN.get() or s.startswith("warning: "):
            super().write(s, *args, **options)

    def _is_due(self) -> bool:
        if self.disable:
            return False
        now = self._time()
        if now < max(self.last_print_t, self.start_t) + EVERY:
            return False
        self.last_print_n, self.last_print_t = self.n, now
        return True


def _is_watched() -> bool:
    """Tells whether bars are drawn: in a terminal and in a notebook."""
    try:
        return "ipykernel" in sys.modules or drawing(sys.stderr).isatty()
    except (AttributeError, ValueError):
        return False


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Shows or hides all progress bars that are made inside the `with` block."""
    token = _HIDDEN.set(not shown)
    try:
        yield
    finally:
        _HIDDEN.reset(token)
