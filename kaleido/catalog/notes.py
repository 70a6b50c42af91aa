"""Account of what an import cleaned, guessed, ignored and left out, for its summary."""

from collections import Counter


class Notes:
    """Counts by what was done, in the order in which each was first counted.

    Attributes:
        examples: An example by what was done.
        lines: What was said besides, once each.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.lines: list[str] = []

    def count(self, what: str, example: str = "", times: int = 1) -> None:
        """Counts that `what` was done, for example `texts cleaned of markup`; the first example is kept."""
        self._counts[what] += times
        if example:
            self.examples.setdefault(what, example)

    def say(self, line: str) -> None:
        """Adds a line that has no count, once."""
        if line not in self.lines:
            self.lines.append(line)

    def counts(self) -> dict[str, int]:
        """Returns the counts by what was done."""
        return dict(self._counts)
