"""Products chosen by their ids alone, so that what else a catalogue holds changes nothing."""

import hashlib
from collections.abc import Sequence

from kaleido.catalog.product import Product
from kaleido.errors import UserError


def place(product_id: str, key: object) -> float:
    """A number in [0, 1) for a product, evenly spread over products.

    Args:
        product_id: Of the product.
        key: What it is for: a seed, a name; other keys give other numbers.
    """
    digest = hashlib.blake2b(f"{key}:{product_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def sample(products: Sequence[Product], share: float) -> list[Product]:
    """A share of the products, in their order; a larger share holds those of a smaller one.

    Args:
        products: Of an import.
        share: In (0, 1].

    Raises:
        UserError: if the share is out of range, or none is left.
    """
    if not 0 < share <= 1:
        raise UserError(f"--sample must be in (0, 1]. Received: {share}")
    kept = [product for product in products if place(product.id, "sample") < share]
    if products and not kept:
        raise UserError(f"--sample leaves none of {len(products):,} products; take a larger share. Received: {share}")
    return kept
