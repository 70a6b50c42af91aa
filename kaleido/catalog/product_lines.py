"""Products as lines of JSON that are decoded one at a time, so that a million of them need not lie in memory."""

import os
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from pydantic import TypeAdapter

from kaleido.catalog import product_json
from kaleido.catalog.product import Product
from kaleido.untrusted import MAX_FILE, advised, open_plain

ADVICE = "import again with --overwrite"

_validated = TypeAdapter(Product).validate_json


class ProductLines(Sequence[Product]):
    """Sequence of products, each of which is decoded anew whenever it is asked for; equal to any of equal products."""

    @abstractmethod
    def line(self, place: int) -> bytes:
        """Returns the JSON of one product, without a line break."""

    @abstractmethod
    def take(self, order: Sequence[int]) -> None:
        """Puts the products in another order, or keeps some of them alone."""

    @overload
    def __getitem__(self, place: int) -> Product: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Product, ...]: ...
    def __getitem__(self, place: int | slice) -> Product | tuple[Product, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        return self._decoded(range(len(self))[place])

    def __iter__(self) -> Iterator[Product]:
        return map(self._decoded, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other))

    def sort(self) -> None:
        """Sorts the products by id."""
        ids = [product.id for product in self]
        self.take(sorted(range(len(ids)), key=ids.__getitem__))

    def _decoded(self, place: int) -> Product:
        try:
            return _validated(self.line(place), strict=True)
        except ValueError:  # which is told with the place
            return product_json.decode(self.line(place), self._where(place), ADVICE)

    def _where(self, place: int) -> str:
        """Names the place of a product for messages."""
        return f"product {place + 1}"


class HeldProducts(ProductLines):
    """Products in memory, of which each takes a third of what a `Product` does."""

    def __init__(self, products: Iterable[Product] = ()):
        self._lines: list[bytes] = []
        for product in products:
            self.append(product)

    def __len__(self) -> int:
        return len(self._lines)

    def __setitem__(self, place: int, product: Product) -> None:
        self._lines[place] = product_json.encode(product).encode()

    def append(self, product: Product) -> None:
        """Adds a product."""
        self._lines.append(product_json.encode(product).encode())

    def line(self, place: int) -> bytes:
        return self._lines[place]

    def take(self, order: Sequence[int]) -> None:
        self._lines = [self._lines[place] for place in order]


class ProductFile(ProductLines):
    """Products of a `products.jsonl`, of which only the places of the lines lie in memory; safe to read from threads.

    The file stays open: if it is replaced, these are the products that it had.

    Args:
        path: The file.

    Raises:
        UserError: if it cannot be read.
    """

    def __init__(self, path: Path):
        self._path = str(path)
        self._starts, self._sizes = array("q"), array("q")
        with advised(ADVICE):
            self._file = open_plain(path, MAX_FILE)
        start = 0
        for line in self._file:
            self._starts.append(start)
            self._sizes.append(len(line.rstrip(b"\r\n")))
            start += len(line)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name != "_file"}
        return kept | {"_path": os.path.abspath(self._path)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._file = open_plain(Path(self._path), MAX_FILE)  # another process opens it itself

    def __len__(self) -> int:
        return len(self._starts)

    def line(self, place: int) -> bytes:
        return os.pread(self._file.fileno(), self._sizes[place], self._starts[place])

    def take(self, order: Sequence[int]) -> None:
        self._starts = array("q", [self._starts[place] for place in order])
        self._sizes = array("q", [self._sizes[place] for place in order])

    def _where(self, place: int) -> str:
        return f"{self._path}, row {place + 1}"
