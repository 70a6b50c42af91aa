"""Files of a catalogue: `products.jsonl`, and `catalog.json`, whose presence says that the catalogue is complete."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from kaleido.atomic import file_written_atomically, write_atomically
from kaleido.catalog import product_json
from kaleido.catalog.product import SPLITS, Product
from kaleido.catalog.sources import Source
from kaleido.errors import UserError
from kaleido.untrusted import MAX_FILE, Count, Text, advised, checked, read_json, read_plain

FORMAT = 1
HEADER, UNFINISHED_HEADER, PRODUCTS = "catalog.json", "catalog.json.unfinished", "products.jsonl"

_AGAIN = "import again with --overwrite"


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
) -> None:
    """Checks the products and writes the catalogue, `catalog.json` last.

    Args:
        directory: Folder of the catalogue, created if missing; a catalogue in it is replaced.
        name: Name of the catalogue.
        kind: `folder`, `fashion-gen`, `fashion-small` or `wardrobe`.
        sources: Sources of the photos, by the first part of their `uri`.
        products: Products in any order.
        importer: Arguments of the import as JSON values; equal arguments mean an equal catalogue.

    Raises:
        UserError: if there are no products or one is invalid.
    """
    directory = Path(directory)
    products = sorted(products, key=lambda product: product.id)
    check_products(products)
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
    # Until the last line the unfinished header says that products.jsonl belongs to a catalogue that is being written.
    unfinished = directory / UNFINISHED_HEADER
    write_atomically(unfinished, (json.dumps(header, indent=2, ensure_ascii=False) + "\n").encode())
    (directory / HEADER).unlink(missing_ok=True)
    with file_written_atomically(directory / PRODUCTS) as file:
        for product in products:
            file.write(f"{product_json.encode(product)}\n".encode())
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
    header = read_json(path, advice=_AGAIN)
    if header.get("format") != FORMAT:
        raise UserError(f"{path} is not of format {FORMAT}; {_AGAIN}. Received: {header.get('format')!r:.100}")
    checked(_Header, header, path, _AGAIN)
    return header


def read_products(directory: Path) -> tuple[Product, ...]:
    """Reads and checks `products.jsonl`, sorted by id.

    Raises:
        UserError: if the file or a product is damaged.
    """
    path = directory / PRODUCTS
    with advised(_AGAIN):
        lines = read_plain(path, MAX_FILE).splitlines()
    products = [product_json.decode(line, f"{path}, row {row}", _AGAIN) for row, line in enumerate(lines, start=1)]
    return tuple(sorted(products, key=lambda product: product.id))


def check_products(products: Iterable[Product]) -> None:
    """Raises a `UserError` if there is no product or one is invalid or repeated."""
    product_ids: set[str] = set()
    photo_ids: set[str] = set()
    for product in products:
        if problem := _problem(product, product_ids, photo_ids):
            raise UserError(f"Product {product.id!r} {problem}.")
        product_ids.add(product.id)
        photo_ids.update(photo.id for photo in product.photos)
    if not product_ids:
        raise UserError("There is no product to write: the input has none, or every one was rejected.")


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
