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
    """Who is looked for among whom (paper section 4.2, ITR and TIR).

    Args:
        records: Folder that `prepare` wrote.
        output: Folder for the figures and the scores.
        protocol: `random100`, drawn negatives of the same sub-category; `fixed`, lists from a file, or those of the
            original's retrieval files where the records are made of them; `full`, everything against everything.
        direction: `i2t`, from a photo to its text; `t2i`, from a text to its photo; or `both`.
        split: `test`, `validation` or `train`.
        lists: File of candidate lists: read by `fixed`; of `random100` drawn once and then reused, beside the records
            if empty.
        text: The product's text: `title`, `description`, or `both` as in the records.
        catalog: That the records were made of, where it is not beside them; for texts and labels that they lack.
        max_text_length: Text positions at most, [CLS] and [SEP] included.
        resamples: Draws behind the intervals.
        candidates_config: How `random100` draws.
    """

    records: str
    output: str
    protocol: Literal["random100", "fixed", "full"] = "random100"
    direction: Literal["both", "i2t", "t2i"] = "both"
    split: Literal["test", "validation", "train"] = "test"
    lists: str = ""
    text: TextField = "both"
    catalog: str = ""
    max_text_length: int = 64
    resamples: int = 1000
    candidates_config: CandidatesConfig = field(default_factory=CandidatesConfig)

    def __post_init__(self):
        check_range(self, "[3, 512]", "max_text_length")
        check_range(self, "[1, 100_000]", "resamples")


@dataclass(frozen=True, kw_only=True)
class RetrieveConfig(ProtocolConfig):
    """Retrieval by a model's matching head (paper section 4.2, ITR and TIR).

    Args:
        model: A run's `model` folder.
        batch_size: Pairs a step.
        precision: `float32`, or `mixed_bfloat16`, which is faster where the processor has it and may move ranks.
        shortlist: Of `full`, how many candidates of a query the model scores, those that `shortlist_model` likes best;
            0 for all.
        shortlist_model: A dual encoder that `baseline retrieval` wrote; the model's own towers if empty.
    """

    model: str
    batch_size: int = 64
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    shortlist: int = 0
    shortlist_model: str = ""

    def __post_init__(self):
        super().__post_init__()
        check = partial(check_range, self)
        check("[1, 1_000_000]", "batch_size")
        check("[0, 1_000_000]", "shortlist")
        if (self.shortlist_model and not self.shortlist) or (self.shortlist and self.protocol != "full"):
            raise UserError(
                "a shortlist needs protocol full, and its length in shortlist. "
                f"Received: {self.protocol} and {self.shortlist}"
            )
