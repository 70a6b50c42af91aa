"""Catalogue in memory, for tests of preparation."""

import io
import math

import numpy as np
from PIL import Image

from kaleido.catalog.product import Photo, Product
from kaleido.errors import UserError


class MemoryCatalog:
    """Catalogue in memory with the interface of `kaleido.catalog.catalog.Catalog`."""

    name = "memory"

    def __init__(self, products: list[Product]):
        self.products = tuple(sorted(products, key=lambda product: product.id))
        self.photo_count = sum(len(product.photos) for product in products)
        self.fingerprint = "f" * 64
        self.broken: set[str] = set()
        self.reads_left = math.inf

    def locate(self, uri: str) -> str:
        return f"memory, {uri}"

    def read(self, uri: str) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise RuntimeError("power cut")
        if uri in self.broken:
            raise UserError(f"{uri} is broken")
        seed = int(uri.rpartition("-")[2])
        pixels = np.full((40, 30, 3), 255, np.uint8)
        pixels[5:35, 4:26] = np.random.default_rng(seed).integers(0, 200, (30, 22, 3))
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()


def make_products(count: int) -> list[Product]:
    """Makes products of 1 to 3 photos."""
    kinds = ("dress", "shirt", "coat", "skirt")
    products = []
    for i in range(count):
        kind = kinds[i % len(kinds)]
        photos = tuple(Photo(f"p{i:03}-{k}", f"photos/p-{3 * i + k}") for k in range(i % 3 + 1))
        products.append(
            Product(
                id=f"product-{i:03}",
                title=f"{'red' if i % 2 else 'blue'} {kind} number {i}",
                description=f"A {kind} with {i} buttons, wool and silk.",
                category="tops" if kind == "shirt" else "others",
                subcategory=kind if i != 1 else "",
                photos=photos,
            )
        )
    return products
