"""Filters on the columns of a catalogue, written as in SQL."""

import re
from collections.abc import Sequence

from kaleido.catalog.table import nearest
from kaleido.errors import UserError
from kaleido.search.fields import OWN, PREFIX

_WORDS = frozenset(["and", "or", "not", "in", "like", "ilike", "between", "is", "null", "true", "false", "escape"])
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*"|`[^`]*`)|(?P<number>\d+(?:\.\d+)?|\.\d+)"""
    r"""|(?P<word>[^\W\d][\w$]*)|(?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,|-|\+))"""
)
_LONGEST = 2000


def store_filter(text: str, columns: Sequence[str]) -> str:
    """Turns a filter into one on the columns of the store.

    Args:
        text: Comparisons of columns with texts in single quotes and numbers, joined by `and`, `or`, `not` and
            parentheses: `category = 'dresses' and price < 50`; also `in (...)`, `like 'red%'`, `between 10 and 20` and
            `is null`. A column whose name is no word stands in double quotes.
        columns: The catalogue's columns in the store, with their prefix.

    Raises:
        UserError: if a column or a sign is not known.
    """
    if len(text) > _LONGEST:
        raise UserError(f"the filter has {len(text):,} characters, and at most {_LONGEST:,} are read")
    known = {name: name for name in OWN} | {name.removeprefix(PREFIX): name for name in columns}
    folded = {name.casefold(): column for name, column in reversed(known.items())}
    parts, place = [], 0
    text = text.rstrip()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token:
            raise UserError(
                f"the filter cannot be read at {text[place:].strip()[:20]!r}; write it as category = 'dresses' and "
                f"price < 50. Received: {text:.200}"
            )
        place = token.end()
        kind, found = token.lastgroup, token[token.lastgroup or 0]
        if kind == "quoted" or (kind == "word" and found.casefold() not in _WORDS):
            name = found[1:-1].replace('""', '"') if kind == "quoted" else found
            column = known.get(name) or folded.get(name.casefold())
            if not column:
                raise UserError(
                    f"no column {name!r} to filter by{nearest(name, tuple(known))}; there are {', '.join(known)}"
                )
            found = f"`{column}`"
        parts.append(found)
    return " ".join(parts)
