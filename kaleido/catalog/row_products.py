"""Products of rows while a table is read: a product may get further rows until its end."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from kaleido.catalog.product import Photo, Product
from kaleido.catalog.product_lines import HeldProducts

_MOST_OPEN = 50_000
"""Products of several rows that are kept in memory."""


@dataclass(slots=True)
class RowProduct:
    """Texts, labels and photos of the rows of one product.

    Attributes:
        number: Number of its first row.
        fields: Text by field: of the first row that has any.
        attributes: Text by column, likewise.
        photos: Uris of photos in the order of the rows, each with the number of the first row that names it.
        without: Numbers of the rows without a photo.
    """

    number: int
    fields: dict[str, str]
    attributes: dict[str, str]
    photos: dict[str, int]
    without: list[int]

    @property
    def has_text(self) -> bool:
        """Whether it has a title or a description."""
        return bool(self.fields["title"] or self.fields["description"])

    def product(self) -> Product:
        """Makes the product of a catalogue."""
        id = self.fields["id"]
        photos = tuple([Photo(f"{id}-{n}", uri) for n, uri in enumerate(self.photos, start=1)])
        return Product(**self.fields, photos=photos, attributes=self.attributes)

    def add_photo(self, uri: str, row: int) -> bool:
        """Adds a photo; returns whether the product did not have it."""
        if uri in self.photos:
            return False
        self.photos[uri] = row
        return True

    def complete(self, fields: Mapping[str, str], attributes: Mapping[str, str] = MappingProxyType({})) -> None:
        """Fills in what is empty."""
        self.fields = {name: value or fields.get(name, "") for name, value in self.fields.items()}
        if attributes:
            self.attributes = {**attributes, **self.attributes}

    def take_attribute(self, column: str, name: str) -> None:
        """Makes the text of a column that of a field, which is empty."""
        self.complete({name: self.attributes.pop(column, "")})


class RowProducts(Sequence[RowProduct]):
    """Products of rows, written to a file as products of a catalogue, and read again when they are used.

    What a catalogue does not keep stays in memory: the numbers of the rows. A product is written when the next one
    comes. One that gets a row later stays in memory until many others have: to write it after each of its rows takes
    time quadratic in their number.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._products = HeldProducts()
        self._numbers = array("q")
        self._others: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._open: dict[int, RowProduct] = {}
        self._last: RowProduct | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        if (product := self._open.get(place)) is not None:
            return product
        if self._last is not None and place == len(self._products):
            return self._last
        written, number = self._products[place], self._numbers[place]
        rows, without = self._others.get(place) or ((number,) * len(written.photos), ())
        return RowProduct(
            number,
            {name: getattr(written, name) for name in self._names},
            dict(written.attributes),
            {photo.uri: row for photo, row in zip(written.photos, rows, strict=True)},
            list(without),
        )

    def __setitem__(self, place: int, product: RowProduct) -> None:
        self._products[place] = product.product()
        self._keep_rows(place, product)

    def add(self, product: RowProduct) -> int:
        """Adds a product of one row; returns its place."""
        self._names = self._names or tuple(product.fields)
        self._write_last()
        self._last = product
        self._numbers.append(product.number)
        return len(self._products)

    def open(self, place: int) -> RowProduct:
        """Gives a product to which a further row is added."""
        product = self[place]
        if product is not self._last and place not in self._open:
            self._open[place] = product
            if len(self._open) > _MOST_OPEN:
                oldest = next(iter(self._open))
                self[oldest] = self._open.pop(oldest)
        return product

    def drain(self) -> Iterator[RowProduct]:
        """Gives the products once, and gives them up."""
        yield from self
        self._products, self._numbers, self._last = HeldProducts(), array("q"), None
        self._open.clear()

    def keep(self, wanted: Callable[[RowProduct], bool]) -> None:
        """Keeps the products that are wanted, and all those of one row with a photo and a text."""
        self._write_last()
        gone = [place for place in sorted({*self._open, *self._others}) if not wanted(self[place])]
        if not gone:
            return
        left_out = set(gone)
        kept = [place for place in range(len(self)) if place not in left_out]
        self._products.take(kept)
        self._numbers = array("q", [self._numbers[place] for place in kept])
        self._open, self._others = (
            {place - bisect_left(gone, place): one for place, one in known.items() if place not in left_out}
            for known in (self._open, self._others)
        )

    def finished(self) -> HeldProducts:
        """Returns the products of the catalogue."""
        self._write_last()
        for place, product in self._open.items():
            self._products[place] = product.product()
        return self._products

    def _write_last(self) -> None:
        if self._last is not None:
            self._products.append(self._last.product())
            self._keep_rows(len(self._products) - 1, self._last)
            self._last = None

    def _keep_rows(self, place: int, product: RowProduct) -> None:
        """Keeps the numbers of rows, unless the product is of one row with a photo and a text."""
        rows = tuple(product.photos.values())
        if rows and not product.without and product.has_text and rows.count(product.number) == len(rows):
            self._others.pop(place, None)
        else:
            self._others[place] = rows, tuple(product.without)
