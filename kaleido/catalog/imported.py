"""Result of every importer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kaleido.catalog.notes import Notes
from kaleido.catalog.product import Product
from kaleido.catalog.sources import Source


@dataclass(frozen=True, slots=True)
class Imported:
    """Products and the places of their photos.

    Attributes:
        sources: Sources of the photos, by the first part of their `uri`.
        products: Products in the input's order.
        notes: What was cleaned, guessed, ignored and left out.
    """

    sources: Mapping[str, Source]
    products: Sequence[Product]
    notes: Notes = field(default_factory=Notes)
