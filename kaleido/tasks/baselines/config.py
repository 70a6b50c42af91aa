"""Configuration of the baselines."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from kaleido.ranges import check_range
from kaleido.retrieval.config import ProtocolConfig


@dataclass(frozen=True, kw_only=True)
class RetrievalBaselineConfig(ProtocolConfig):
    """Configuration of the retrieval baseline: a two-tower model on whole-photo features, trained on the train split.

    Args:
        text_length: Largest number of text positions, including [CLS] and [SEP].
        epochs: Passes over the training photos; a saved model that was trained with the same settings is reused.
        batch_size: Pairs per batch of the contrastive loss.
        learning_rate: Initial learning rate; it decays to 0 along a cosine.
        seed: Seed of initial weights, order and dropout.
    """

    text_length: int = 64
    epochs: int = 12
    batch_size: int = 512
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        check = partial(check_range, self)
        check("[3, 512]", "text_length")
        check("[1, 10_000]", "epochs")
        check("[2, 1_000_000]", "batch_size")
        check("(0, 1]", "learning_rate")
        check("[0, 4_294_967_295]", "seed")


@dataclass(frozen=True)
class RecognitionBaselineConfig:
    """Configuration of the recognition baseline: logistic regression on whole-photo features of the train split.

    Args:
        records: Folder that `prepare` wrote.
        out: Folder for the metrics and the predictions.
        label: Label to predict: `category`, `subcategory`, or another column of the catalogue.
        split: Split to evaluate: `test`, `validation` or `train`.
        catalog: Folder of the catalogue that the records were made from, if it is not beside them.
        strength: Inverse weight of the regularisation (scikit-learn's C).
        iterations: Largest number of iterations of the optimizer.
    """

    records: str
    out: str
    label: str = "subcategory"
    split: Literal["test", "validation", "train"] = "test"
    catalog: str | None = None
    strength: float = 0.01
    iterations: int = 200

    def __post_init__(self):
        check_range(self, "(0, inf)", "strength")
        check_range(self, "[1, 100_000]", "iterations")
