"""The choice of the products that are held out."""

from collections.abc import Sequence

from kaleido.catalog.product import Product
from kaleido.catalog.sample import place
from kaleido.records.config import PrepareConfig


def assign_splits(
    products: Sequence[Product], validation_fraction: float, test_fraction: float, seed: int
) -> list[str]:
    """Assigns products to splits: always the same for the same id and seed, whatever else the catalogue holds.

    A prescribed split stands; where training products are prescribed but no validation, it is held out of them. Where a
    share is asked for and fewer are drawn, the next in the draw are held out too: one of two or three products, and two
    of more, because pre-training compares a product with another.

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
    free = 0

    def may_choose(product: Product) -> bool:
        return not product.split or (product.split == "train" and hold_out_of_train)

    def choose(product: Product) -> str:
        nonlocal free
        if not may_choose(product):
            return product.split
        free += 1
        drawn = place(product.id, seed)
        if drawn < validation_fraction:
            return "validation"
        if not product.split and drawn < validation_fraction + test_fraction:
            return "test"
        return "train"

    splits = [choose(product) for product in products]
    least = min(free // 2, 2)
    if validation_fraction and prescribed <= {"", "train", "test"} and splits.count("validation") < least:
        drawn = sorted((place(one.id, seed), number) for number, one in enumerate(products) if may_choose(one))
        # Products for testing go first where there is but one to train on.
        for source, kept in (("train", 1), ("test", 0)):
            movable = [number for _, number in drawn if splits[number] == source]
            wanted = min(least - splits.count("validation"), splits.count(source) - kept)
            for number in movable[: max(wanted, 0)]:
                splits[number] = "validation"
    return splits


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
