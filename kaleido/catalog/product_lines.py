"""Products as lines of JSON in a file, decoded one at a time, so that a million of them need not lie in memory."""

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any, overload

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from kaleido.catalog import product_json
from kaleido.catalog.product import Product
from kaleido.errors import UserError
from kaleido.untrusted import MAX_FILE, advised, open_plain

ADVICE = "import again with --overwrite"

_MOST_READ = 1 << 20
"""Bytes of lines that are read together where all products are asked for."""

_validated = TypeAdapter(Product).validator.validate_json


class _Labels(TypedDict, total=False):
    category: str
    subcategory: str


_labels = TypeAdapter(_Labels).validator.validate_json


class ProductLines(Sequence[Product]):
    """Sequence of products in a file, each of which is decoded anew whenever it is asked for.

    Only the places of the lines lie in memory. It is equal to any sequence of equal products, and safe to read from
    threads.
    """

    _file: IO[bytes]

    def __init__(self) -> None:
        self._starts, self._sizes = array("q"), array("q")

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> Product: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Product, ...]: ...
    def __getitem__(self, place: int | slice) -> Product | tuple[Product, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        place = range(len(self))[place]
        return self._decoded(place, self.line(place))

    def __iter__(self) -> Iterator[Product]:
        return map(self._decoded, count(), self.lines())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other))

    def line(self, place: int) -> bytes:
        """Returns the JSON of one product, without a line break."""
        return os.pread(self._file.fileno(), self._sizes[place], self._starts[place])

    def lines(self) -> Iterator[bytes]:
        """Yields the JSON of every product; lines that lie together are read together."""
        first, count = 0, len(self)
        while first < count:
            start = end = self._starts[first]
            last = first
            # Line breaks, or nothing, lie between two lines.
            while last < count and 0 <= self._starts[last] - end < 3 and end - start < _MOST_READ:
                end = self._starts[last] + self._sizes[last]
                last += 1
            block = os.pread(self._file.fileno(), end - start, start)
            for place in range(first, last):
                at = self._starts[place] - start
                yield block[at : at + self._sizes[place]]
            first = last

    def labels(self) -> Iterator[tuple[str, str]]:
        """Yields category and sub-category of every product."""
        for line in self.lines():
            found = _labels(line)
            yield found.get("category", ""), found.get("subcategory", "")

    def take(self, order: Sequence[int]) -> None:
        """Puts the products in another order, or keeps some of them alone."""
        self._starts = array("q", [self._starts[place] for place in order])
        self._sizes = array("q", [self._sizes[place] for place in order])

    def sort(self) -> None:
        """Sorts the products by id."""
        ids = [product.id for product in self]
        self.take(sorted(range(len(ids)), key=ids.__getitem__))

    def _decoded(self, place: int, line: bytes) -> Product:
        try:
            return _validated(line, strict=True)
        except ValueError:  # which is told with the place
            return product_json.decode(line, self._where(place), ADVICE)

    def _where(self, place: int) -> str:
        """Names the place of a product for messages."""
        return f"product {place + 1}"


class HeldProducts(ProductLines):
    """Products of an import, in a file without a name among the system's temporary files.

    Raises:
        UserError: if the file cannot be written.
    """

    def __init__(self, products: Iterable[Product] = ()):
        super().__init__()
        try:
            self._file = tempfile.TemporaryFile(prefix="kaleido-", buffering=1 << 16)  # noqa: SIM115
        except OSError as error:
            raise _refused(error) from error
        self._end, self._flushed = 0, 0
        for product in products:
            self.append(product)

    def __setitem__(self, place: int, product: Product) -> None:
        self._starts[place], self._sizes[place] = self._write(product_json.encode(product).encode())

    def append(self, product: Product) -> None:
        """Adds a product."""
        self._append(product_json.encode(product).encode())

    def line(self, place: int) -> bytes:
        self._flush()
        return super().line(place)

    def lines(self) -> Iterator[bytes]:
        self._flush()
        return super().lines()

    def __getstate__(self) -> list[bytes]:
        return [*self.lines()]

    def __setstate__(self, lines: list[bytes]) -> None:
        HeldProducts.__init__(self)
        for line in lines:
            self._append(line)

    def _append(self, line: bytes) -> None:
        start, size = self._write(line)
        self._starts.append(start)
        self._sizes.append(size)

    def _write(self, line: bytes) -> tuple[int, int]:
        try:
            self._file.write(line)
        except OSError as error:
            raise _refused(error) from error
        start, self._end = self._end, self._end + len(line)
        return start, len(line)

    def _flush(self) -> None:
        if self._flushed < self._end:
            try:
                self._file.flush()
            except OSError as error:
                raise _refused(error) from error
            self._flushed = self._end


class ProductFile(ProductLines):
    """Products of a `products.jsonl`, which stays open: if it is replaced, these are the products that it had.

    Args:
        path: The file.

    Raises:
        UserError: if it cannot be read.
    """

    def __init__(self, path: Path):
        super().__init__()
        self._path = str(path)
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

    def _where(self, place: int) -> str:
        return f"{self._path}, row {place + 1}"


def _refused(error: OSError) -> UserError:
    return UserError(
        f"a temporary file of products cannot be written: {error.strerror or error}; make room where temporary files "
        "lie, or name another folder in the variable TMPDIR"
    )
