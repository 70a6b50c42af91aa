"""Counts over the products of a catalogue, one product at a time."""

import re
from collections import Counter
from dataclasses import dataclass, field

from kaleido.catalog.product import Product

_LONG = 100_000


@dataclass(slots=True)
class Numbers:
    """Sum and range of numbers.

    Attributes:
        count: How many there were.
        total: Their sum.
        least: The least; 0 of none.
        most: The largest; 0 of none.
    """

    count: int = 0
    total: int = 0
    least: int = 0
    most: int = 0

    def add(self, number: int) -> None:
        """Counts one more."""
        if number < self.least or not self.count:
            self.least = number
        if number > self.most:
            self.most = number
        self.count += 1
        self.total += number

    def __str__(self) -> str:
        return f"{self.least:,}" + (f" to {self.most:,}" if self.most > self.least else "")


@dataclass(slots=True)
class Tally:
    """Counts of products.

    Attributes:
        words: Words of the products' texts.
        photos: Photos of the products.
        splits: Products by split; empty where none is prescribed.
        categories: Products by category; empty where unlabelled.
        subcategories: The same for sub-categories.
    """

    words: Numbers = field(default_factory=Numbers)
    photos: Numbers = field(default_factory=Numbers)
    splits: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    subcategories: Counter[str] = field(default_factory=Counter)

    def add(self, product: Product) -> None:
        """Counts one more product."""
        self.words.add(_words(product.text))
        self.photos.add(len(product.photos))
        self.splits[product.split] += 1
        self.categories[product.category] += 1
        self.subcategories[product.subcategory] += 1


def _words(text: str) -> int:
    if len(text) > _LONG:  # a list of its words would take ten times the memory
        return sum(1 for _ in re.finditer(r"\S+", text))
    return len(text.split())
