"""Filters on the columns of a catalogue, written as in SQL."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from kaleido.catalog.table import nearest
from kaleido.errors import UserError
from kaleido.search.fields import FieldKind

LONGEST, DEEPEST = 4000, 50
"""Characters of a filter, and parentheses inside one another, at most."""

_SIGNS = ("<=", ">=", "<>", "!=", "=", "<", ">")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|`[^`]*`)|(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+))"""
    r"""|(?P<word>[^\W\d][\w.$-]*)|(?P<sign><=|>=|<>|!=|==|[=<>(),]))"""
)
_NUMBER = re.compile(r"[-+]?(?:\d{1,15}(?:\.\d*)?|\.\d+)")
_EXAMPLE = "category = 'dresses' and price < 50"


class _Token(NamedTuple):
    kind: str
    text: str


class Filter:
    """Reads a filter and writes it for the store.

    A filter compares columns with texts in single quotes and with numbers: `price < 50`; `colour in ('red', 'blue')`;
    `title like '%silk%'` (`ilike` in any case); `price between 10 and 20`; `brand is not null`. Comparisons are joined
    by `and`, `or`, `not` and parentheses. A column whose name is no word stands in double quotes.

    Args:
        text: The filter.
        columns: Names in the store, and kinds, by the catalogue's names of the columns.

    Raises:
        UserError: if it is no filter, or a column is not known or of another kind; names the nearest column.
    """

    def __init__(self, text: str, columns: Mapping[str, tuple[str, FieldKind]]):
        self._text = text
        self._columns = columns
        self._folded = {name.casefold(): name for name in reversed(list(columns))}
        self._depth = 0
        if len(text) > LONGEST:
            raise UserError(f"the filter must have at most {LONGEST:,} characters. Received: {len(text):,}")
        self._tokens = self._split()
        self._place = 0
        self.condition = self._any()
        """The filter in the store's SQL."""
        if self._place < len(self._tokens):
            raise self._wrong("and, or, or its end")

    def _split(self) -> list[_Token]:
        found, place = [], 0
        text = self._text.rstrip().removesuffix(";").rstrip()
        while place < len(text):
            token = _TOKEN.match(text, place)
            if not token or not token.lastgroup:
                raise self._error(f"cannot be read at {text[place:].strip()[:20]!r}")
            found.append(_Token(token.lastgroup, token[token.lastgroup]))
            place = token.end()
        return found

    def _any(self) -> str:
        parts = [self._all()]
        while self._word("or"):
            parts.append(self._all())
        return " OR ".join(parts)

    def _all(self) -> str:
        parts = [self._one()]
        while self._word("and"):
            parts.append(self._one())
        return " AND ".join(parts)

    def _one(self) -> str:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"has more than {DEEPEST} parentheses and negations inside one another")
        if self._word("not"):
            found = f"NOT ({self._one()})"
        elif self._sign("("):
            found = f"({self._any()})"
            self._expect(")")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> str:
        label = self._column()
        column, kind = self._columns[label]
        name = f"`{column}`"
        for sign in (*_SIGNS, "=="):
            if self._sign(sign):
                ordered = sign not in ("=", "==", "<>", "!=")
                return f"{name} {sign.replace('==', '=')} {self._value(kind, ordered)}"
        if self._word("is"):
            without = "NOT " if self._word("not") else ""
            if not self._word("null"):
                raise self._wrong("null")
            return f"{name} IS {without}NULL"
        negated = "NOT " if self._word("not") else ""
        if self._word("in"):
            self._expect("(")
            values = [self._value(kind)]
            while self._sign(","):
                values.append(self._value(kind))
            self._expect(")")
            return f"{name} {negated}IN ({', '.join(values)})"
        if self._word("between"):
            least = self._value(kind, ordered=True)
            if not self._word("and"):
                raise self._wrong("and")
            return f"{name} {negated}BETWEEN {least} AND {self._value(kind, ordered=True)}"
        for like in ("like", "ilike"):
            if self._word(like):
                if kind == "number":
                    raise self._error(f"compares the numbers of {label!r} by {like}; use <, = or between")
                return f"{name} {negated}{like.upper()} {self._value(kind)}"
        raise self._wrong("=, <, >, in, like, between or is")

    def _column(self) -> str:
        token = self._next("a column")
        if token.kind not in ("word", "name") or token.text.casefold() in ("and", "or", "not", "in", "is", "null"):
            self._place -= 1
            raise self._wrong("a column")
        name = token.text[1:-1].replace('""', '"') if token.kind == "name" else token.text
        name = name if name in self._columns else self._folded.get(name.casefold(), name)
        if name not in self._columns:
            raise UserError(
                f"no column {name!r} to filter by{nearest(name, tuple(self._columns))}; there are "
                f"{', '.join(self._columns)}"
            )
        return name

    def _value(self, kind: FieldKind, ordered: bool = False) -> str:
        token = self._next("a value")
        if token.kind == "number" and kind == "text":
            if ordered:
                raise self._error(f"compares a column of texts with a number; write '{token.text}' for a text")
            return f"'{token.text}'"
        if token.kind not in ("text", "number"):
            hint = (
                f"; texts stand in single quotes: '{token.text.strip(chr(34))}'"
                if token.kind in ("word", "name")
                else ""
            )
            self._place -= 1
            raise self._wrong("a text or a number", hint)
        if kind == "number":
            text = token.text.strip("' ")
            if not _NUMBER.fullmatch(text):
                raise self._error(f"compares a column of numbers with the text {token.text}")
            return text
        return token.text

    def _next(self, wanted: str) -> _Token:
        if self._place == len(self._tokens):
            raise self._wrong(wanted)
        self._place += 1
        return self._tokens[self._place - 1]

    def _word(self, word: str) -> bool:
        return self._is("word", word)

    def _sign(self, sign: str) -> bool:
        return self._is("sign", sign)

    def _is(self, kind: str, text: str) -> bool:
        token = self._tokens[self._place] if self._place < len(self._tokens) else None
        if token and token.kind == kind and token.text.casefold() == text:
            self._place += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(repr(sign))

    def _wrong(self, wanted: str, hint: str = "") -> UserError:
        rest = self._tokens[self._place].text if self._place < len(self._tokens) else "its end"
        return self._error(f"has {rest} where {wanted} is expected{hint}")

    def _error(self, problem: str) -> UserError:
        return UserError(f"the filter {problem}; write it as {_EXAMPLE}. Received: {self._text:.200}")
