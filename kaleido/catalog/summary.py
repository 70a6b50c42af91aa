"""Summary of an import, in lines that the owner of a shop understands."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaleido.catalog.notes import Notes
from kaleido.catalog.product import Product
from kaleido.catalog.rejects import Reject

REJECTS = "rejects.jsonl"
MAX_LINES = 15

_WIDTH, _LONG = 300, 100_000


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


def summary_of(directory: Path, products: Sequence[Product], rejects: Sequence[Reject], notes: Notes) -> ImportSummary:
    """Summarises the products of an import, the rows and photos left out, and what was noted."""
    words = [_words(product.text) for product in products]
    photos = [len(product.photos) for product in products]
    lines = [
        f"words: {sum(words):,}, {_range(words)} a product; photos: {_range(photos)} a product",
        "; ".join(
            _classes(name, Counter(getattr(product, field) for product in products))
            for name, field in (("categories", "category"), ("sub-categories", "subcategory"))
        ),
        "splits: " + (_splits(products) or "the table has none; kaleido prepare holds out products"),
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
        len(products),
        sum(photos),
        len(rejects),
        lines=tuple(_short(line) for line in lines),
    )


def _shared(said: Sequence[str], lines: int) -> list[str]:
    """Divides what is to be said among at most so many lines."""
    size = -(-len(said) // lines)
    return ["; ".join(said[start : start + size]) for start in range(0, len(said), size or 1)]


def _some(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _range(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:,}" + (f" to {most:,}" if most > least else "")


def _words(text: str) -> int:
    if len(text) > _LONG:  # a list of its words would take ten times the memory
        return sum(1 for _ in re.finditer(r"\S+", text))
    return len(text.split())


def _classes(name: str, tally: Counter[str]) -> str:
    without = tally.pop("", 0)
    if not tally:
        return f"{name}: none"
    most = ", ".join(f"{label} {times:,}" for label, times in tally.most_common(3))
    more = ", ..." if len(tally) > 3 else ""
    return f"{name}: {len(tally):,} ({most}{more})" + (f", {_some(without, 'product')} without" if without else "")


def _splits(products: Sequence[Product]) -> str:
    tally = Counter(product.split for product in products)
    if set(tally) == {""}:
        return ""
    return ", ".join(f"{split or 'none'} {times:,}" for split, times in sorted(tally.items()))


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 4] + " ..."
