"""The configuration of retrieval."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from kaleido.errors import UserError
from kaleido.ranges import check_range
from kaleido.retrieval.candidates import CandidatesConfig
from kaleido.retrieval.gallery import TextField


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
