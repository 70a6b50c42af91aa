"""Rows of an index: which photos of a catalogue are new or changed, and what the store keeps of each."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.catalog.product import Photo, Product
from kaleido.errors import UserError
from kaleido.processors import cores
from kaleido.progress import tqdm
from kaleido.search.fields import FieldKind, fields_of, number_of, stored_name
from kaleido.search.products import Products, stamp_of
from kaleido.search.store import VECTOR
from kaleido.search.thumbnails import thumbnail
from kaleido.search.vector_file import import_pyarrow, vector_column

if TYPE_CHECKING:
    import pyarrow as pa

_TOGETHER = 256
"""Thumbnails that are made and written together."""

Listed = tuple[Product, Photo]


@dataclass(frozen=True, slots=True)
class Known:
    """Entry of an index about a photo.

    Attributes:
        id: Product.
        state: Checksum of all that the row was made of.
        stamp: Checksum of the photo's content.
        text: Text of the product.
    """

    id: str
    state: str
    stamp: str
    text: str


def listed_photos(products: Products) -> list[Listed]:
    """Lists the photos of products, each with its product."""
    return [(product, photo) for product in products.products for photo in product.photos]


def without_known(products: Products, known: Mapping[str, Known], fused: bool) -> tuple[Products, dict[str, str]]:
    """Finds the photos whose vectors an index does not have.

    Args:
        products: The catalogue.
        known: Photos of the index by key.
        fused: Whether vectors depend on texts as well.

    Returns:
        The products with only such photos, and the checksums of the other photos by key.
    """
    stamps: dict[str, str] = {}
    same = [
        photo
        for product, photo in listed_photos(products)
        if photo.id in known and not (fused and known[photo.id].text != product.text)
    ]
    for photo in tqdm(same, "photos compared", unit="photo", disable=not same):
        try:
            stamp = stamp_of(products.read(photo.uri))
        except UserError:
            continue  # told when it is to be encoded
        if stamp == known[photo.id].stamp:
            stamps[photo.id] = stamp
    left = []
    for product in products.products:
        if photos := tuple(photo for photo in product.photos if photo.id not in stamps):
            left.append(replace(product, photos=photos))
    return replace(products, products=left), stamps


def state_of(product: Product, photo: Photo, stamp: str) -> str:
    """Computes the checksum of all that a row is made of."""
    content = [product.id, photo.id, stamp, product.title, product.text, fields_of(product)]
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=12).hexdigest()


def rows_of(
    listed: Sequence[Listed], stamps: Mapping[str, str], kinds: Mapping[str, FieldKind], vectors: np.ndarray
) -> "pa.Table":
    """Makes the rows of photos.

    Args:
        listed: The photos.
        stamps: Checksums of their content by key.
        kinds: Columns of the catalogue.
        vectors: float [n, d].
    """
    pa = import_pyarrow()
    texts = {
        "id": [product.id for product, _ in listed],
        "photo": [photo.id for _, photo in listed],
        "title": [product.title for product, _ in listed],
        "text": [product.text for product, _ in listed],
        "stamp": [stamps[photo.id] for _, photo in listed],
        "state": [state_of(product, photo, stamps[photo.id]) for product, photo in listed],
    }
    columns: dict[str, Any] = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    fields = [fields_of(product) for product, _ in listed]
    for name, kind in kinds.items():
        values: list[Any] = [one.get(name) for one in fields]
        if kind == "number":
            values = [None if value is None else number_of(value) for value in values]
        columns[stored_name(name)] = pa.array(values, pa.float64() if kind == "number" else pa.string())
    return pa.table({**columns, VECTOR: vector_column(vectors.astype(np.float16))})


def thumbnail_schema() -> "pa.Schema":
    """Gives the columns of thumbnails."""
    pa = import_pyarrow()
    return pa.schema([pa.field("stamp", pa.string()), pa.field("jpeg", pa.binary())])


def thumbnail_batches(
    products: Products, photos: Mapping[str, Photo], max_megapixels: float
) -> "Iterator[pa.RecordBatch]":
    """Makes thumbnails, some at a time.

    Args:
        products: The catalogue.
        photos: Photos by the checksum of their content.
        max_megapixels: Largest photo, in millions of pixels.

    Raises:
        UserError: if a photo can no longer be read; names it.
    """
    pa = import_pyarrow()

    def picture(photo: Photo) -> bytes:
        try:
            return thumbnail(products.read(photo.uri), max_megapixels)
        except UserError as error:
            raise UserError(f"{products.locate(photo.uri)}: {error}") from None

    listed = list(photos.items())
    with ThreadPoolExecutor(cores()) as threads, tqdm(total=len(listed), desc="thumbnails", unit="photo") as bar:
        for start in range(0, len(listed), _TOGETHER):
            part = listed[start : start + _TOGETHER]
            stamps, pictures = [stamp for stamp, _ in part], list(threads.map(picture, [photo for _, photo in part]))
            yield pa.RecordBatch.from_arrays([pa.array(stamps), pa.array(pictures)], schema=thumbnail_schema())
            bar.update(len(part))


def no_numbers(listed: Sequence[Listed], kinds: Mapping[str, FieldKind]) -> list[str]:
    """Says which columns of numbers have values that are none, a line each."""
    lines = []
    for name in (name for name, kind in kinds.items() if kind == "number"):
        values = [fields_of(product).get(name, "") for product, _ in listed]
        if others := [value for value in values if value and number_of(value) is None]:
            lines.append(f"column {name} has numbers; other values are left out: {len(others):,} ({others[0]!r})")
    return lines
