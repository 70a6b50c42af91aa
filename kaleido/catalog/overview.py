"""Overview of a catalogue: counts to print and a contact sheet to look at."""

import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from PIL import Image

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.contact_sheet import contact_sheet, with_truth
from kaleido.catalog.tally import Numbers, Tally
from kaleido.errors import UserError

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 8
CELL = 192

MOST_LISTED = 200
"""Classes that are listed, the largest first; a column that is another for each product has as many as products."""

Decode = Callable[["bytes | np.ndarray"], "np.ndarray"]
"""Turns what `Catalog.read` returns into uint8 [H, W, 3]; `kaleido.vision.photo.decode` does."""


def describe(catalog: Catalog, tally: Tally) -> str:
    """Lists counts of a catalogue's products, photos, words, splits and categories, one line each."""
    lines = {
        "catalogue": f"{catalog.name}, {catalog.kind}",
        "products": f"{len(catalog):,}",
        "photos": f"{tally.photos.total:,}, {_spread(tally.photos)} a product",
        "words": f"{_spread(tally.words)} a product",
        "splits": _listed(tally.splits),
        "categories": _listed(tally.categories),
        "sub-categories": _listed(tally.subcategories),
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


def _spread(numbers: Numbers) -> str:
    return f"{numbers.least} to {numbers.most} and {numbers.total / numbers.count:.1f} on average"


def _listed(counts: Counter[str]) -> str:
    listed = ", ".join(f"{name or '(none)'} {count:,}" for name, count in counts.most_common(MOST_LISTED))
    return f"{len(counts):,}: {listed}" + (", ..." if len(counts) > MOST_LISTED else "")
