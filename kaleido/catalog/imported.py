"""Result of every importer."""

from collections.abc import Mapping
from dataclasses import dataclass

from kaleido.catalog.product import Product
from kaleido.catalog.sources import Source


@dataclass(frozen=True, slots=True)
class Imported:
    """Products and the places of their photos.

    Attributes:
        sources: Sources of the photos, by the first part of their `uri`.
        products: Products in the input's order.
    """

    sources: Mapping[str, Source]
    products: list[Product]
