"""What every importer returns."""

from collections.abc import Mapping
from dataclasses import dataclass

from kaleido.catalog.product import Product
from kaleido.catalog.sources import Source


@dataclass(frozen=True, slots=True)
class Imported:
    """The products of an import and where their photos lie.

    Attributes:
        sources: What the first part of each photo's `uri` means.
        products: In the input's order.
    """

    sources: Mapping[str, Source]
    products: list[Product]
