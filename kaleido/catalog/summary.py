"""Summary of an import, in lines that the owner of a shop understands."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaleido.catalog.notes import Notes
from kaleido.catalog.rejects import Reject
from kaleido.catalog.tally import Tally

REJECTS = "rejects.jsonl"
MAX_LINES = 15

_WIDTH = 300


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Result of an import.

    Attributes:
        directory: Folder of the catalogue.
        products: Number of products in it.
        photos: Number of photos in it.
        left_out: Number of rows and photos that could not be used; they are listed in `rejects.jsonl`.
        already_there: Whether the catalogue was finished before, of the same arguments and files, so that nothing was
            done.
        lines: What else is to be said: words, categories, splits, and what was cleaned, ignored, guessed and left out.
    """

    directory: Path
    products: int
    photos: int
    left_out: int = 0
    already_there: bool = False
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.already_there:
            return f"{self.directory}: there already, of the same arguments and files; --overwrite imports again."
        first = f"{self.directory}: {_some(self.products, 'product')}, {_some(self.photos, 'photo')}."
        last = f"next: kaleido catalog show {self.directory}"
        return "\n".join([first, *self.lines[: MAX_LINES - 2], last])


def summary_of(directory: Path, tally: Tally, rejects: Sequence[Reject], notes: Notes) -> ImportSummary:
    """Summarises the counts of an import's products, the rows and photos left out, and what was noted."""
    lines = [
        f"words: {tally.words.total:,}, {tally.words} a product; photos: {tally.photos} a product",
        f"{_classes('categories', tally.categories)}; {_classes('sub-categories', tally.subcategories)}",
        "splits: " + (_splits(tally.splits) or "the table has none; kaleido prepare holds out products"),
    ]
    left_out = []
    if rejects:
        rows = sum(not reject.photo for reject in rejects)
        parts = [_some(rows, "row")] * bool(rows) + [_some(len(rejects) - rows, "photo")] * (rows < len(rejects))
        left_out = [f"left out: {' and '.join(parts)}, listed with reasons in {directory / REJECTS}"]
    counted = notes.counted()
    room = MAX_LINES - 2 - len(lines) - len(left_out)
    said = list(notes.lines)
    if len(said) + len(counted) > room:  # what is counted shares lines where there is much to say, and then the rest
        counted = _shared(notes.counted(examples=False), max(room - len(said), 2))
        said = _shared(said, room - len(counted))
    lines += [*said, *counted, *left_out]
    return ImportSummary(
        directory,
        tally.photos.count,
        tally.photos.total,
        len(rejects),
        lines=tuple(_short(line) for line in lines),
    )


def _shared(said: Sequence[str], lines: int) -> list[str]:
    """Divides what is to be said among at most so many lines."""
    size = -(-len(said) // lines)
    return ["; ".join(said[start : start + size]) for start in range(0, len(said), size or 1)]


def _some(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _classes(name: str, tally: Counter[str]) -> str:
    without, labels = tally[""], len(tally.keys() - {""})
    if not labels:
        return f"{name}: none"
    common = [(label, times) for label, times in tally.most_common(4) if label]
    most = ", ".join(f"{label} {times:,}" for label, times in common[:3])
    more = ", ..." if labels > 3 else ""
    return f"{name}: {labels:,} ({most}{more})" + (f", {_some(without, 'product')} without" if without else "")


def _splits(tally: Counter[str]) -> str:
    if set(tally) == {""}:
        return ""
    return ", ".join(f"{split or 'none'} {times:,}" for split, times in sorted(tally.items()))


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 4] + " ..."
