"""Pseudo-random choices of products that depend on their ids alone, not on the rest of the catalogue."""

import hashlib

from kaleido.catalog.product_lines import ProductLines
from kaleido.errors import UserError


def place(product_id: str, key: object) -> float:
    """Hashes a product id to a number in [0, 1), uniform over products.

    Args:
        product_id: Id of the product.
        key: Seed or name of the purpose; different keys give independent numbers.
    """
    digest = hashlib.blake2b(f"{key}:{product_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def sample(products: ProductLines, share: float) -> None:
    """Keeps a share of the products in their order, in place; a larger share contains every smaller one.

    Args:
        products: Products of an import.
        share: Share to keep, in (0, 1].

    Raises:
        UserError: if the share is out of range or no product is left.
    """
    if not 0 < share <= 1:
        raise UserError(f"--sample must be in (0, 1]. Received: {share}")
    if share == 1:
        return
    kept = [number for number, product in enumerate(products) if place(product.id, "sample") < share]
    if products and not kept:
        raise UserError(f"--sample leaves none of {len(products):,} products; take a larger share. Received: {share}")
    products.take(kept)
