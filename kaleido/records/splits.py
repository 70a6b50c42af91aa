"""The choice of the products that are held out."""

from collections.abc import Sequence

from kaleido.catalog.product import Product
from kaleido.catalog.sample import place
from kaleido.records.config import PrepareConfig


def assign_splits(
    products: Sequence[Product], validation_fraction: float, test_fraction: float, seed: int
) -> list[str]:
    """Assigns products to splits: always the same for the same id and seed, whatever else the catalogue holds.

    A prescribed split stands; where training products are prescribed but no validation, it is held out of them.

    Args:
        products: Products of a catalogue.
        validation_fraction: Share held out for validation where the catalogue does not choose.
        test_fraction: Share held out for testing where the catalogue does not choose.
        seed: Seed of the choice.

    Returns:
        `train`, `validation` or `test` for each product.
    """
    prescribed = {product.split for product in products}
    hold_out_of_train = "train" in prescribed and "validation" not in prescribed

    def choose(product: Product) -> str:
        drawn = place(product.id, seed)
        if product.split and not (product.split == "train" and hold_out_of_train):
            return product.split
        if drawn < validation_fraction:
            return "validation"
        if not product.split and drawn < validation_fraction + test_fraction:
            return "test"
        return "train"

    return [choose(product) for product in products]


def unseen_labels(products: Sequence[Product], splits: Sequence[str]) -> list[str]:
    """Lists categories and sub-categories that held-out products have and no training product has, sorted."""
    seen, unseen = set(), set()
    for product, split in zip(products, splits, strict=True):
        (seen if split == "train" else unseen).update((product.category, product.subcategory))
    return sorted(unseen - seen - {""})


def unseen_labels_of(products: Sequence[Product], config: PrepareConfig) -> list[str]:
    """Lists the labels of held-out products that no training product has, with the splits of a preparation."""
    splits = assign_splits(products, config.validation_fraction, config.test_fraction, config.seed)
    return unseen_labels(products, splits)
