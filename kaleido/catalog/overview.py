"""Overview of a catalogue: counts to print and a contact sheet to look at."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.contact_sheet import contact_sheet, with_truth
from kaleido.errors import UserError

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 8
CELL = 192

Decode = Callable[["bytes | np.ndarray"], "np.ndarray"]
"""Turns what `Catalog.read` returns into uint8 [H, W, 3]; `kaleido.vision.photo.decode` does."""


def describe(catalog: Catalog) -> str:
    """Counts products, photos, words, splits and categories, one line each."""
    products = catalog.products
    lines = {
        "catalogue": f"{catalog.name}, {catalog.kind}",
        "products": f"{len(products):,}",
        "photos": f"{catalog.photo_count:,}, {_spread([len(product.photos) for product in products])} a product",
        "words": f"{_spread([len(product.text.split()) for product in products])} a product",
        "splits": _tally(product.split for product in products),
        "categories": _tally(product.category for product in products),
        "sub-categories": _tally(product.subcategory for product in products),
    }
    return "\n".join(f"{name:<15} {value}" for name, value in lines.items())


def contact_sheet_of(
    catalog: Catalog, decode: Decode, products: int = 24, seed: int = 0, parts: bool = False
) -> Image.Image:
    """Draws the photos and texts of products chosen at random.

    Args:
        catalog: Catalogue to look at.
        decode: Photo decoder.
        products: Number of products to draw, at least 1.
        seed: Seed of their choice.
        parts: Whether to draw part boxes and the mask's outline.

    Raises:
        UserError: if a photo cannot be decoded.
    """
    if products < 1:
        raise UserError(f"--products must be at least 1. Received: {products}.")

    def picture(uri: str) -> Image.Image:
        try:
            return Image.fromarray(decode(catalog.read(uri)))
        except UserError as error:
            raise UserError(f"{catalog.directory}, photo {uri!r}: {error}") from error

    pictures, captions = [], []
    for product in random.Random(seed).sample(catalog.products, min(products, len(catalog))):
        for photo in product.photos:
            drawn = picture(photo.uri)
            if parts:
                drawn = with_truth(drawn, photo, picture(photo.mask_uri) if photo.mask_uri else None, CELL)
            pictures.append(drawn)
            captions.append(f"{photo.id} {photo.view}\n{product.text}\n{product.category} / {product.subcategory}")
    return contact_sheet(pictures, captions, COLUMNS, CELL)


def _spread(counts: Sequence[int]) -> str:
    return f"{min(counts)} to {max(counts)} and {sum(counts) / len(counts):.1f} on average"


def _tally(names: Iterable[str]) -> str:
    counts = Counter(name or "(none)" for name in names).most_common()
    return f"{len(counts)}: " + ", ".join(f"{name} {count:,}" for name, count in counts)
