"""The configuration of retrieval."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from kaleido.errors import UserError
from kaleido.ranges import check_range

TextField = Literal["both", "title", "description"]

Direction = Literal["i2t", "t2i"]
DIRECTIONS: tuple[Direction, ...] = ("i2t", "t2i")
"""From a photo to its text (ITR), and from a text to its photo (TIR)."""


@dataclass(frozen=True)
class CandidatesConfig:
    """How queries and negatives are drawn (`random100`).

    Args:
        queries: How many a repeat; all there are if fewer.
        negatives: Of each query.
        repeats: How often queries and negatives are drawn.
        level: `product` draws other products, each at most once in a list; `photo` draws their photos, so that one with
            many is drawn more often and a text may come twice.
        label: What negatives share with their query: `subcategory`, `category`, or a column of the catalogue.
        small: What happens where too few products share it: `fill` takes the rest from the category, `drop` leaves out
            the query.
        seed: Of the draws.
    """

    queries: int = 1000
    negatives: int = 100
    repeats: int = 5
    level: Literal["product", "photo"] = "product"
    label: str = "subcategory"
    small: Literal["fill", "drop"] = "fill"
    seed: int = 0

    def __post_init__(self):
        check = partial(check_range, self, section="candidates_config")
        check("[1, 1_000_000]", "queries", "negatives")
        check("[1, 1000]", "repeats")
        check("[0, inf)", "seed")


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """A retrieval protocol: which queries are ranked against which candidates (paper section 4.2, ITR and TIR).

    Args:
        records: Folder that `prepare` wrote.
        out: Folder for the metrics and the scores.
        protocol: `random100` draws negatives of the same sub-category; `fixed` reads lists from a file, or takes those
            of the original's retrieval files where the records are made of them; `full` ranks all against all.
        direction: `i2t`, from a photo to its text; `t2i`, from a text to its photo; or `both`.
        split: `test`, `validation` or `train`.
        lists: File of candidate lists: `fixed` reads it, `random100` draws it once and then reuses it. Null is a file
            beside the records.
        text: Text of a product: `title`, `description`, or `both` as in the records.
        catalog: Folder of the catalogue that the records were made of, where it is not beside them; for texts and
            labels that the records lack.
        resamples: Number of bootstrap draws behind the intervals.
        candidates_config: How `random100` draws.
    """

    records: str
    out: str
    protocol: Literal["random100", "fixed", "full"] = "random100"
    direction: Literal["both", "i2t", "t2i"] = "both"
    split: Literal["test", "validation", "train"] = "test"
    lists: str | None = None
    text: TextField = "both"
    catalog: str | None = None
    resamples: int = 1000
    candidates_config: CandidatesConfig = field(default_factory=CandidatesConfig)

    def __post_init__(self):
        check_range(self, "[1, 100_000]", "resamples")


@dataclass(frozen=True, kw_only=True)
class RetrieveConfig(ProtocolConfig):
    """Retrieval by a saved model (paper section 4.2, ITR and TIR); the model knows its text length.

    Args:
        model: Saved model, the `model` folder of a run.
        batch_size: Pairs a step.
        precision: `float32`, or `mixed_bfloat16`, which is faster where the processor has it and may move ranks.
        shortlist: Number of candidates of a query that the model scores in protocol `full`, those that
            `shortlist_model` ranks first; null scores all.
        shortlist_model: Saved two-tower model, of `baseline retrieval` or `finetune --task contrastive`; null is the
            one within the model.
    """

    model: str
    batch_size: int = 64
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    shortlist: int | None = None
    shortlist_model: str | None = None

    def __post_init__(self):
        super().__post_init__()
        check = partial(check_range, self)
        check("[1, 1_000_000]", "batch_size", "shortlist")
        if (self.shortlist_model and not self.shortlist) or (self.shortlist and self.protocol != "full"):
            raise UserError(
                "a shortlist needs protocol full, and its length in shortlist. "
                f"Received: {self.protocol} and {self.shortlist}"
            )
