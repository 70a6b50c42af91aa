"""Files of a catalogue: `products.jsonl`, and `catalog.json`, whose presence says that the catalogue is complete."""

import json
import os
from array import array
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from typing_extensions import TypedDict

from kaleido.atomic import file_written_atomically, write_atomically
from kaleido.catalog.product import SPLITS, Product
from kaleido.catalog.product_lines import ADVICE, HeldProducts, ProductLines
from kaleido.catalog.sources import Source
from kaleido.errors import UserError
from kaleido.untrusted import Count, Text, checked, read_json

FORMAT = 1
HEADER, UNFINISHED_HEADER, PRODUCTS = "catalog.json", "catalog.json.unfinished", "products.jsonl"


class _Source(TypedDict):
    kind: Text
    path: Text


class _Header(TypedDict):
    name: Text
    kind: Text
    sources: Annotated[dict[Text, _Source], Field(max_length=10_000)]
    importer: dict[Text, Any]
    products: Count
    photos: Count


def write_catalog(
    directory: str | Path,
    name: str,
    kind: str,
    sources: Mapping[str, Source],
    products: Iterable[Product],
    importer: Mapping[str, Any],
    each: Callable[[Product], object] = lambda _: None,
) -> None:
    """Checks the products and writes the catalogue, `catalog.json` last.

    Args:
        directory: Folder of the catalogue, created if missing; a catalogue in it is replaced.
        name: Name of the catalogue.
        kind: `folder`, `fashion-gen`, `fashion-small` or `wardrobe`.
        sources: Sources of the photos, by the first part of their `uri`.
        products: Products in any order.
        importer: Arguments of the import as JSON values; equal arguments mean an equal catalogue.
        each: Called with each product.

    Raises:
        UserError: if there are no products or one is invalid.
    """
    directory = Path(directory)
    held = products if isinstance(products, ProductLines) else HeldProducts(products)
    photos = 0

    def count(product: Product) -> None:
        nonlocal photos
        photos += len(product.photos)
        each(product)

    if not check_products(held, count):
        held.sort()
    header = {
        "format": FORMAT,
        "name": name,
        "kind": kind,
        "sources": {
            key: {"kind": source.kind, "path": _relative_inside(source.path, directory)}
            for key, source in sources.items()
        },
        "products": len(held),
        "photos": photos,
        "importer": dict(importer),
    }
    # Until the last line the unfinished header says that products.jsonl belongs to a catalogue that is being written.
    unfinished = directory / UNFINISHED_HEADER
    write_atomically(unfinished, (json.dumps(header, indent=2, ensure_ascii=False) + "\n").encode())
    (directory / HEADER).unlink(missing_ok=True)
    with file_written_atomically(directory / PRODUCTS) as file:
        for line in held.lines():
            file.write(line + b"\n")
    unfinished.replace(directory / HEADER)


def is_finished(directory: str | Path, importer: Mapping[str, Any], overwrite: bool = False) -> bool:
    """Tells whether `directory` holds a finished catalogue of the same import, so that nothing has to be written.

    Args:
        directory: Folder of the catalogue; may not exist.
        importer: Arguments of the import, as `write_catalog` takes them.
        overwrite: Whether a finished catalogue is to be replaced.

    Raises:
        UserError: if the folder holds another catalogue or a `products.jsonl` of another origin.
    """
    directory = Path(directory)
    if overwrite and (directory / HEADER).exists():
        return False
    header = read_header(directory)
    if header is None and (directory / PRODUCTS).exists() and not (directory / UNFINISHED_HEADER).exists():
        raise UserError(
            f"{directory / PRODUCTS} exists and belongs to no finished catalogue; choose another --out or delete it."
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
    """Reads `catalog.json`; returns None if there is none.

    Raises:
        UserError: if it is damaged or of another format.
    """
    path = directory / HEADER
    if not os.path.exists(path):
        return None
    header = read_json(path, advice=ADVICE)
    if header.get("format") != FORMAT:
        raise UserError(f"{path} is not of format {FORMAT}; {ADVICE}. Received: {header.get('format')!r:.100}")
    checked(_Header, header, path, ADVICE)
    return header


def check_products(products: Iterable[Product], each: Callable[[Product], object] = lambda _: None) -> bool:
    """Checks products, which are read once, or twice where two ids may be the same.

    Args:
        products: Products, which can be read again.
        each: Called with each product, so that whoever wants to see all of them need not read them once more.

    Returns:
        Whether they are sorted by id.

    Raises:
        UserError: if there is no product or one is invalid or repeated.
    """
    ids, photo_ids = _Ids(), _Ids()
    is_sorted, last = True, ""
    for product in products:
        if problem := _problem(product):
            raise UserError(f"Product {product.id!r} {problem}.")
        ids.add(product.id)
        for photo in product.photos:
            photo_ids.add(photo.id)
        is_sorted, last = is_sorted and last < product.id, product.id
        each(product)
    if not last:
        raise UserError("There is no product to write: the input has none, or every one was rejected.")
    if product := ids.first_repeated((product.id, product) for product in products):
        raise UserError(f"Product {product.id!r} needs an id of its own.")
    if product := photo_ids.first_repeated((photo.id, product) for product in products for photo in product.photos):
        raise UserError(f"Product {product.id!r} has a photo whose id another photo has.")
    return is_sorted


class _Ids:
    """Finds repeated ids by their hashes, since a million ids take ten times the memory."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, id: str) -> None:
        self._hashes.append(hash(id))

    def first_repeated(self, named: Iterable[tuple[str, Product]]) -> Product | None:
        """Returns the first product whose id was there before; the ids are read again only if hashes are equal."""
        hashes = np.sort(self._hashes)
        alike = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        seen: set[str] = set()
        for id, product in named if alike else ():
            if hash(id) in alike:
                if id in seen:
                    return product
                seen.add(id)
        return None


def _problem(product: Product) -> str:
    if not product.id:
        return "needs an id of its own"
    if not product.photos:
        return "has no photo"
    if not product.text:
        return "has neither a title nor a description"
    if product.split and product.split not in SPLITS:
        return f"has the split {product.split!r}, which is none of {', '.join(SPLITS)}"
    return ""


def _relative_inside(path: Path, directory: Path) -> str:
    path, directory = Path(os.path.abspath(path)), Path(os.path.abspath(directory))
    return (path.relative_to(directory) if path.is_relative_to(directory) else path).as_posix()
