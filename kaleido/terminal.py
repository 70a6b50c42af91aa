"""Prints without control characters: titles, ids and file names may be a stranger's.

An escape sequence in a title could clear the screen, rename the window or hide a part of a line; an override of the
direction of writing shows a name as another one.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

_CONTROL = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and line feed, marks of direction, separators of lines, and halves of characters."""


def escaped(text: str) -> str:
    r"""Writes control characters as `\u001b`, which JSON reads as the same text."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _Escaping:
    """Stream that escapes what is written to it.

    tqdm compares streams by `_wrapped`, and so knows that bars and lines share the terminal.
    """

    def __init__(self, stream: Any):
        self._wrapped = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def write(self, text: str) -> int:
        return self._wrapped.write(escaped(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Tells libraries that colours and moves of the cursor would not get through."""
        return False


@contextmanager
def control_characters_escaped() -> Iterator[None]:
    """Escapes what is printed to standard output and error inside the `with` block."""
    with redirect_stdout(_Escaping(sys.stdout)), redirect_stderr(_Escaping(sys.stderr)):
        yield


def drawing(stream: Any) -> Any:
    """Gives the stream that progress bars are drawn on, which move the cursor."""
    return stream._wrapped if isinstance(stream, _Escaping) else stream


@contextmanager
def output_to(descriptor: int) -> Iterator[None]:
    """Redirects whatever this process and its children print, libraries in C included."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    for number, _ in kept:
        os.dup2(descriptor, number)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, before in kept:
            os.dup2(before, number)
            os.close(before)
