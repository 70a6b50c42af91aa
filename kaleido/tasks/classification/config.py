"""The configuration section of recognition."""

from dataclasses import dataclass
from typing import Literal

from kaleido.ranges import check_range


@dataclass(frozen=True)
class RecognitionConfig:
    """What is recognised, by the tasks `category`, `subcategory` and `attribute`.

    Args:
        column: Column of the catalogue, for the task `attribute`.
        text: Whether texts are read; otherwise products are recognised from the photo alone.
        unseen: What happens where an evaluated product has a class that no training product has: `refuse` to begin, or
            `ignore` the product, as if it had no label.
        balance: Weight of rare classes in training: the loss of a product whose class has n products is weighted by
            n ** -balance. 0, as in the paper, weights all products alike; 1 weights all classes alike.
    """

    column: str | None = None
    text: bool = True
    unseen: Literal["refuse", "ignore"] = "refuse"
    balance: float = 0.0

    def __post_init__(self):
        check_range(self, "[0, 1]", "balance", section="recognition_config")
