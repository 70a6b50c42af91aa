"""Configuration section of recognition."""

from dataclasses import dataclass
from typing import Literal

from kaleido.ranges import check_range


@dataclass(frozen=True)
class RecognitionConfig:
    """Configuration of the tasks `category`, `subcategory` and `attribute`.

    Args:
        column: Column of the catalogue that the task `attribute` predicts.
        text: Whether texts are read; if not, products are recognised from the photo alone.
        unseen: Treatment of evaluated products whose class has no training product: `refuse` stops before training,
            `ignore` treats them as unlabelled.
        balance: Weight of rare classes in training: the loss of a product whose class has n products is weighted by
            n ** -balance. 0, as in the paper, weights all products equally; 1 weights all classes equally.
    """

    column: str | None = None
    text: bool = True
    unseen: Literal["refuse", "ignore"] = "refuse"
    balance: float = 0.0

    def __post_init__(self):
        check_range(self, "[0, 1]", "balance", section="recognition_config")
