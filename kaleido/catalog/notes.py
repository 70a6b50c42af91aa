"""Account of what an import cleaned, guessed, ignored and left out, for its summary."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaleido.catalog.columns import FieldColumns
    from kaleido.catalog.table import Table

_MOST, _WIDTH = 6, 90
"""Examples that are kept of each count, and characters of those that are shown."""


class Notes:
    """Counts by what was done, in the order in which each was first counted.

    Attributes:
        examples: The first different examples of each, at most 6.
        lines: What was said besides, once each.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.lines: list[str] = []

    def count(self, what: str, example: str = "", times: int = 1) -> None:
        """Counts that `what` was done."""
        self._counts[what] += times
        if example:
            known = self.examples.setdefault(what, [])
            if len(known) < _MOST and example not in known:
                known.append(example)

    def counts(self) -> dict[str, int]:
        """Returns the counts by what was done, for example `texts cleaned of markup`."""
        return dict(self._counts)

    def say(self, line: str) -> None:
        """Adds a line that has no count, once."""
        if line not in self.lines:
            self.lines.append(line)

    def describe(self, table: "Table", columns: "FieldColumns") -> None:
        """Says how a table is read: what was found out about the file, and the columns of every field."""
        for line in (*columns.describe(table.columns), *table.notes):
            self.say(line)

    def counted(self, examples: bool = True) -> list[str]:
        """Says each count, with its examples, for example `cells read as empty: 5 (nan, NULL)`, or without."""
        shown = self.examples if examples else {}
        return [
            f"{what}: {times:,}" + (f" ({_first(shown[what], times)})" if what in shown else "")
            for what, times in self._counts.items()
        ]


def _first(examples: list[str], times: int) -> str:
    """Lists the examples that fit in a line, at least one."""
    shown = 1
    while shown < len(examples) and sum(map(len, examples[: shown + 1])) <= _WIDTH:
        shown += 1
    return ", ".join(examples[:shown]) + (", ..." if shown < len(examples) or shown == _MOST < times else "")
