"""The configuration of the baselines."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from kaleido.ranges import check_range
from kaleido.retrieval.config import ProtocolConfig


@dataclass(frozen=True, kw_only=True)
class RetrievalBaselineConfig(ProtocolConfig):
    """Retrieval by a dual encoder on the features of whole photos, trained on the train split alone.

    Args:
        epochs: Passes over the training products; those of one run that is there are not repeated.
        batch_size: Pairs that compete in the contrastive loss.
        learning_rate: The highest; it falls to 0 along a cosine.
        seed: Of weights, order and dropout.
    """

    epochs: int = 12
    batch_size: int = 512
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        check = partial(check_range, self)
        check("[1, 10_000]", "epochs")
        check("[2, 1_000_000]", "batch_size")
        check("(0, 1]", "learning_rate")
        check("[0, 4_294_967_295]", "seed")


@dataclass(frozen=True)
class RecognitionBaselineConfig:
    """Recognition by logistic regression on the features of whole photos, trained on the train split alone.

    Args:
        records: Folder that `prepare` wrote.
        output: Folder for the figures.
        label_column: `category`, `subcategory`, or a further column of the catalogue.
        split: To report on: `test`, `validation` or `train`.
        catalog: That the records were made of, where it is not beside them.
        strength: Inverse of the regularisation's weight (scikit-learn's C).
        iterations: Of the optimizer at most.
    """

    records: str
    output: str
    label_column: str = "subcategory"
    split: Literal["test", "validation", "train"] = "test"
    catalog: str = ""
    strength: float = 0.01
    iterations: int = 200

    def __post_init__(self):
        check_range(self, "(0, inf)", "strength")
        check_range(self, "[1, 100_000]", "iterations")
