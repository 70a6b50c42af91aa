"""Rows of an index: which photos of a catalogue are new, changed or gone, and what the store keeps of each."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.catalog.product import Photo, Product
from kaleido.errors import UserError
from kaleido.processors import cores
from kaleido.progress import tqdm
from kaleido.search.fields import PREFIX, FieldKind, fields_of, number_of
from kaleido.search.products import Products
from kaleido.search.store import VECTOR
from kaleido.search.thumbnails import thumbnail
from kaleido.search.vector_file import import_pyarrow, vector_column
from kaleido.search.vectors import stamp_of

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256

Listed = tuple[Product, Photo]


@dataclass(frozen=True, slots=True)
class Known:
    """What an index knows of a photo.

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


def to_encode(products: Products, known: Mapping[str, Known], fused: bool) -> tuple[Products, dict[str, str]]:
    """Finds the photos whose vectors an index does not have.

    Args:
        products: The catalogue.
        known: Photos of the index.
        fused: Whether vectors depend on texts as well.

    Returns:
        The products with only such photos, and the checksums of the other photos by key.
    """
    stamps: dict[str, str] = {}
    same = [
        (product, photo)
        for product, photo in listed_photos(products)
        if photo.id in known and not (fused and known[photo.id].text != product.text)
    ]
    for _, photo in tqdm(same, "photos compared", unit="photo", disable=not same):
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


def schema_of(size: int, kinds: Mapping[str, FieldKind]) -> "pa.Schema":
    """Gives the columns of the rows.

    Args:
        size: Length of the vectors.
        kinds: Columns of the catalogue.
    """
    pa = import_pyarrow()
    texts = [pa.field(name, pa.string()) for name in ("id", "photo", "title", "text", "stamp", "state")]
    fields = [
        pa.field(PREFIX + name, pa.float64() if kind == "number" else pa.string()) for name, kind in kinds.items()
    ]
    return pa.schema(
        [*texts, pa.field("thumbnail", pa.binary()), *fields, pa.field(VECTOR, pa.list_(pa.float16(), size))]
    )


def row_batches(
    listed: Sequence[Listed],
    stamps: Mapping[str, str],
    schema: "pa.Schema",
    kinds: Mapping[str, FieldKind],
    vector: Callable[[Sequence[str]], np.ndarray],
    picture: Callable[[Photo], bytes],
) -> "pa.RecordBatchReader":
    """Gives the rows of photos, some at a time.

    Args:
        listed: The photos.
        stamps: Checksums of their content by key.
        schema: Columns, as `schema_of` gives them.
        kinds: Columns of the catalogue.
        vector: Gives the vectors [n, d] of some photos by their keys.
        picture: Gives the thumbnail of a photo.
    """
    pa = import_pyarrow()

    def batches() -> "Iterator[pa.RecordBatch]":
        with ThreadPoolExecutor(cores()) as threads, tqdm(total=len(listed), desc="index", unit="photo") as bar:
            for start in range(0, len(listed), BATCH):
                part = listed[start : start + BATCH]
                columns: dict[str, Any] = {
                    "id": [product.id for product, _ in part],
                    "photo": [photo.id for _, photo in part],
                    "title": [product.title for product, _ in part],
                    "text": [product.text for product, _ in part],
                    "stamp": [stamps[photo.id] for _, photo in part],
                    "state": [state_of(product, photo, stamps[photo.id]) for product, photo in part],
                    "thumbnail": list(threads.map(picture, [photo for _, photo in part])),
                }
                fields = [fields_of(product) for product, _ in part]
                for name, kind in kinds.items():
                    values = [one.get(name) for one in fields]
                    columns[PREFIX + name] = (
                        [None if value is None else number_of(value) for value in values]
                        if kind == "number"
                        else values
                    )
                vectors = vector([photo.id for _, photo in part]).astype(np.float16)
                arrays = [
                    vector_column(vectors) if one.name == VECTOR else pa.array(columns[one.name], one.type)
                    for one in schema
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                bar.update(len(part))

    return pa.RecordBatchReader.from_batches(schema, batches())


def no_numbers(listed: Sequence[Listed], kinds: Mapping[str, FieldKind]) -> list[str]:
    """Says which columns of numbers have values that are none, a line each."""
    lines = []
    for name, kind in kinds.items():
        if kind == "number":
            others = [
                value for product, _ in listed if (value := fields_of(product).get(name)) and number_of(value) is None
            ]
            if others:
                lines.append(f"column {name}: values that are no number, left empty: {len(others):,} ({others[0]!r})")
    return lines


def picture_of(products: Products, photo: Photo, max_megapixels: float) -> bytes:
    """Makes the thumbnail of a photo of a catalogue; a `UserError` names the photo."""
    try:
        return thumbnail(products.read(photo.uri), max_megapixels)
    except UserError as error:
        raise UserError(f"{products.locate(photo.uri)}: {error}") from None
