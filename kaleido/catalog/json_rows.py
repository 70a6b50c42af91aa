"""Rows of JSON: one object a line, a list of objects, or an object that holds one such list; read piece by piece."""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from kaleido.catalog.headings import fields_named
from kaleido.errors import UserError

MAX_ITEM = 1 << 26
"""Longest value that is read in one piece, in characters."""

_CHUNK = 1 << 20
_SPACE = re.compile("[ \t\r\n\ufeff]*")


class ItemError(Exception):
    """Raised for a row that is no object; its message says why."""


def is_text(value: Any) -> bool:
    """Tells whether a JSON value has whole characters alone, and is not nested too deeply."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeError, RecursionError):
        return False
    return True


def parse(text: str) -> Any:
    """Parses a JSON value whose objects have no key twice and whose texts can be written.

    Raises:
        ItemError: if it is none.
    """
    if "\udc80" in text:
        raise ItemError("is not UTF-8")
    try:
        value = json.loads(text, object_pairs_hook=_object)
        if "\\u" in text:  # a lone surrogate such as \ud800 is valid JSON but cannot be written to a file
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError:
        raise ItemError("is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ItemError(f"is not JSON ({error})") from None
    return value


_WRAPPERS = ("node", "attributes", "fields", "_source", "product")


def unwrapped(item: Any) -> Any:
    """Takes the fields of a product out of the object in which interfaces of shops give them, such as `node`."""
    if not isinstance(item, dict):
        return item
    for key in _WRAPPERS:
        if isinstance(inner := item.get(key), dict) and fields_named(list(inner)) > fields_named(list(item)):
            return {**{name: value for name, value in item.items() if name != key}, **inner}
    return item


class JsonText:
    """JSON text that is read from its beginning, value by value.

    Args:
        file: Text of the file.
        name: Name for messages.
    """

    def __init__(self, file: TextIO, name: str):
        self._file, self._name = file, name
        self._text, self._place, self._ended = "", 0, False
        self._line = 1
        self._decoder = json.JSONDecoder(object_pairs_hook=_object)

    def lists(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yields every item of every list that is not within another, with the keys that lead to the list.

        Raises:
            UserError: if the text is not JSON.
        """
        yield from self._value(())
        if self._next():
            raise self._wrong("has more after the end of its value")

    def _value(self, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        start = self._next()
        if start == "[":
            self._place += 1
            yield from self._items(keys)
        elif start == "{" and len(keys) < 8:
            self._place += 1
            yield from self._members(keys)
        else:
            self._decode()

    def _items(self, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        separator = "["
        while (start := self._next()) != "]" or separator == ",":
            if not start or separator == "]":
                raise self._wrong("is not JSON: a list has no end")
            yield keys, self._decode()
            separator = self._next()
            if separator not in (",", "]"):
                raise self._wrong("is not JSON: `,` or `]` is missing")
            if separator == "]":
                break
            self._place += 1
        self._place += 1

    def _members(self, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        while self._next() != "}":
            key = self._decode()
            if not isinstance(key, str) or self._next() != ":":
                raise self._wrong("is not JSON: an object needs keys in quotation marks, each with `:`")
            self._place += 1
            yield from self._value((*keys, key))
            if self._next() == ",":
                self._place += 1
            elif self._next() != "}":
                raise self._wrong("is not JSON: `,` or `}` is missing")
        self._place += 1

    def _next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            end = _SPACE.match(self._text, self._place).end()
            self._line += self._text.count("\n", self._place, end)
            self._place = end
            if end < len(self._text):
                return self._text[end]
            if not self._read(_CHUNK):
                return ""

    def _decode(self) -> Any:
        self._next()
        size = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
                # A number at the end of what was read may go on.
                if end < len(self._text) or not self._read(size):
                    break
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._read(size):
                    reason = getattr(error, "msg", None) or "nested too deeply"
                    raise self._wrong(f"is not JSON ({reason})") from None
            size *= 2
            if size > 2 * MAX_ITEM:
                raise self._wrong(f"is not JSON, or has a value of more than {MAX_ITEM:,} characters")
        self._line += self._text.count("\n", self._place, end)
        self._place = end
        return value

    def _read(self, size: int) -> bool:
        if self._ended:
            return False
        more = self._file.read(size)
        self._ended = not more
        self._text, self._place = self._text[self._place :] + more, 0
        return bool(more)

    def _wrong(self, reason: str) -> UserError:
        return UserError(f"{self._name}, line {self._line}: {reason}; correct it or export the table again.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key occurs twice in an object")
    return values
