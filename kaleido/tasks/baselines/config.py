"""The configuration of the baselines."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from kaleido.ranges import check_range
from kaleido.retrieval.config import ProtocolConfig


@dataclass(frozen=True, kw_only=True)
class RetrievalBaselineConfig(ProtocolConfig):
    """Retrieval by a two-tower model on the features of whole photos, trained on the train split alone.

    Args:
        text_length: Text positions at most, [CLS] and [SEP] included.
        epochs: Passes over the training products; a model that was trained in the same way is taken as it is.
        batch_size: Pairs that compete in the contrastive loss.
        learning_rate: Learning rate at the start; it falls to 0 along a cosine.
        seed: Seed of weights, order and dropout.
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
    """Recognition by logistic regression on the features of whole photos, trained on the train split alone.

    Args:
        records: Folder that `prepare` wrote.
        out: Folder for the metrics and the predictions.
        label: What is recognised: `category`, `subcategory`, or a further column of the catalogue.
        split: Split to report on: `test`, `validation` or `train`.
        catalog: Folder of the catalogue that the records were made of, where it is not beside them.
        strength: Inverse weight of the regularisation (scikit-learn's C).
        iterations: Iterations of the optimizer at most.
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
