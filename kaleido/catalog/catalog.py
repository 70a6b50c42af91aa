"""A catalogue on disk: `products.jsonl`, and `catalog.json`, whose presence says that the catalogue is complete."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaleido.atomic import remove_leftovers, write_atomically
from kaleido.catalog import product_json
from kaleido.catalog.product import SPLITS, Product
from kaleido.catalog.sources import KINDS, Source, open_source
from kaleido.errors import UserError

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
HEADER, UNFINISHED_HEADER, PRODUCTS = "catalog.json", "catalog.json.unfinished", "products.jsonl"


class Catalog:
    """The products of a catalogue and the way to their photos; made by `Catalog.open`.

    Attributes:
        directory: Where it lies.
        name: What it is called.
        kind: `folder`, `fashion-gen`, `fashion-small` or `wardrobe`.
        products: Sorted by id.
    """

    def __init__(
        self, directory: Path, name: str, kind: str, products: tuple[Product, ...], sources: Mapping[str, Source]
    ):
        self.directory = directory
        self.name = name
        self.kind = kind
        self.products = products
        self._sources = sources

    @classmethod
    def open(cls, directory: str | Path) -> "Catalog":
        """Opens a finished catalogue.

        Raises:
            UserError: Where there is none, it is damaged, or one of its sources has moved.
        """
        directory = Path(directory)
        header = read_header(directory)
        if header is None:
            raise UserError(
                f"{directory} holds no finished catalogue (no catalog.json); make one with "
                "`python -m kaleido catalog import` or `generate`."
            )
        sources = {}
        for name, source in header["sources"].items():
            if (
                not isinstance(source, dict)
                or not isinstance(source.get("path"), str)
                or source.get("kind") not in [*KINDS]
            ):
                raise UserError(
                    f"{directory / HEADER}: the source {name!r} needs a path and a kind, one of {', '.join(KINDS)}."
                )
            path = directory / source["path"]
            if not os.path.exists(path):
                raise UserError(
                    f"{path}, the source {name!r} of the catalogue {directory}, is gone; write where it is now under "
                    "`sources` in catalog.json, or import again with --overwrite."
                )
            sources[name] = open_source(path, source["kind"])
        products = _read_products(directory / PRODUCTS)
        if len(products) != header["products"]:
            raise UserError(
                f"{directory / 'products.jsonl'} has {len(products)} products and catalog.json says "
                f"{header['products']}; import again with --overwrite."
            )
        try:
            _check(products)
        except UserError as error:
            raise UserError(f"{directory / PRODUCTS}: {error} Import again with --overwrite.") from None
        return cls(directory, header["name"], header["kind"], products, sources)

    @property
    def photo_count(self) -> int:
        return sum(len(product.photos) for product in self.products)

    def read(self, uri: str) -> "bytes | np.ndarray":
        """The photo or mask at a `SOURCE/PATH`: its encoded bytes, or uint8 [H, W, 3] from HDF5; thread-safe.

        Raises:
            UserError: Where it is missing or damaged.
        """
        source, path = self._place(uri)
        return source.read(path)

    def locate(self, uri: str) -> str:
        """Where a photo or mask lies, for messages: the source's path, then the file, member or row in it."""
        source, path = self._place(uri)
        return f"{source.path}, {path}"

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 over the products and, without reading them, the photos; the same wherever they lie."""
        digest = hashlib.sha256()
        for product in self.products:
            digest.update(product_json.encode(product).encode())
            for photo in product.photos:
                source, path = self._place(photo.uri)
                digest.update(source.stamp(path).encode())
        return digest.hexdigest()

    def _place(self, uri: str) -> tuple[Source, str]:
        name, _, path = uri.partition("/")
        if name not in self._sources:
            raise UserError(f"{self.directory} has no source {name!r}. Received: {uri!r}.")
        return self._sources[name], path


def write_catalog(
    directory: str | Path,
    name: str,
    kind: str,
    sources: Mapping[str, Source],
    products: Iterable[Product],
    importer: Mapping[str, Any],
) -> None:
    """Checks the products and writes the catalogue, `catalog.json` last.

    Args:
        directory: Made where needed; a catalogue that is there is replaced.
        name: What the catalogue is called.
        kind: `folder`, `fashion-gen`, `fashion-small` or `wardrobe`.
        sources: What the first part of each photo's `uri` means.
        products: In any order.
        importer: What the catalogue was made from and how, in JSON types; the same again means the same catalogue.

    Raises:
        UserError: Where there are no products or one is wrong.
    """
    directory = Path(directory)
    products = sorted(products, key=lambda product: product.id)
    _check(products)
    header = {
        "format": FORMAT,
        "name": name,
        "kind": kind,
        "sources": {
            key: {"kind": source.kind, "path": _relative_inside(source.path, directory)}
            for key, source in sources.items()
        },
        "products": len(products),
        "photos": sum(len(product.photos) for product in products),
        "importer": dict(importer),
    }
    remove_leftovers(directory)
    # From here to the last line the folder says that its products are of a catalogue that is being written.
    unfinished = directory / UNFINISHED_HEADER
    write_atomically(unfinished, (json.dumps(header, indent=2, ensure_ascii=False) + "\n").encode())
    (directory / HEADER).unlink(missing_ok=True)
    lines = "".join(f"{product_json.encode(product)}\n" for product in products)
    write_atomically(directory / PRODUCTS, lines.encode())
    unfinished.replace(directory / HEADER)


def is_finished(directory: str | Path, importer: Mapping[str, Any], overwrite: bool = False) -> bool:
    """Whether `directory` holds a finished catalogue made by the same import; False where one is to be written.

    Args:
        directory: May not exist.
        importer: What `write_catalog` would be given.
        overwrite: Whether a catalogue that is there is to be replaced.

    Raises:
        UserError: Where writing would destroy something else.
    """
    directory = Path(directory)
    if overwrite and (directory / HEADER).exists():
        return False
    header = read_header(directory)
    if header is None and (directory / PRODUCTS).exists() and not (directory / UNFINISHED_HEADER).exists():
        raise UserError(
            f"{directory / 'products.jsonl'} exists and is of no finished catalogue; choose another --out or delete it."
        )
    if header is None:
        return False
    if header["importer"] != importer:
        raise UserError(
            f"{directory} holds the catalogue {header['name']!r}, made with other arguments; choose another --out, or "
            f"replace it with --overwrite. Received: {json.dumps(importer)}, there: {json.dumps(header['importer'])}."
        )
    return True


def read_header(directory: Path) -> dict[str, Any] | None:
    """What `catalog.json` says, or None where there is none.

    Raises:
        UserError: Where it is damaged or of another format.
    """
    path = directory / HEADER
    try:
        header = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}); import again with --overwrite.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UserError(f"{path} is not of format {FORMAT}; import again with --overwrite.")
    if missing := {"name", "kind", "sources", "products", "photos", "importer"} - header.keys():
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}; import again with --overwrite.")
    kinds = {"name": str, "kind": str, "sources": dict, "importer": dict}
    if wrong := [key for key, kind in kinds.items() if not isinstance(header[key], kind)]:
        raise UserError(f"{path}: {wrong[0]} is not what an import writes; import again with --overwrite.")
    return header


def _read_products(path: Path) -> tuple[Product, ...]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); import again with --overwrite.") from error
    products = []
    for row, line in enumerate(lines, start=1):
        try:
            products.append(product_json.decode(line))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise UserError(f"{path}, row {row}: is not a product ({error}); import again with --overwrite.") from error
    return tuple(sorted(products, key=lambda product: product.id))


def _check(products: list[Product]) -> None:
    if not products:
        raise UserError("There is no product to write: the input holds none, or every one was rejected.")
    product_ids, photo_ids = set(), set()
    for product in products:
        if problem := _problem(product, product_ids, photo_ids):
            raise UserError(f"Product {product.id!r} {problem}.")
        product_ids.add(product.id)
        photo_ids.update(photo.id for photo in product.photos)


def _problem(product: Product, product_ids: set[str], photo_ids: set[str]) -> str:
    if not product.id or product.id in product_ids:
        return "needs an id of its own"
    if not product.photos:
        return "has no photo"
    if not product.text:
        return "has neither a title nor a description"
    if product.split and product.split not in SPLITS:
        return f"has the split {product.split!r}, which is none of {', '.join(SPLITS)}"
    own = {photo.id for photo in product.photos}
    if len(own) < len(product.photos) or own & photo_ids:
        return "has a photo whose id another photo has"
    return ""


def _relative_inside(path: Path, directory: Path) -> str:
    path, directory = Path(os.path.abspath(path)), Path(os.path.abspath(directory))
    return (path.relative_to(directory) if path.is_relative_to(directory) else path).as_posix()
