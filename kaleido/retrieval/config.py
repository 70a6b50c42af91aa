"""Configuration of retrieval."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Self

from kaleido.errors import UserError
from kaleido.ranges import check_range

TextField = Literal["both", "title", "description"]

Direction = Literal["i2t", "t2i"]
Twins = Literal["leave_out", "right", "wrong"]

DIRECTIONS: tuple[Direction, ...] = ("i2t", "t2i")
"""Image to text (ITR: photo queries, text candidates) and text to image (TIR: text queries, photo candidates)."""


@dataclass(frozen=True)
class CandidatesConfig:
    """Configuration of the draw of queries and negatives in protocol `random100`.

    Args:
        queries: Number of queries in each repeat, at most; all queries if there are fewer.
        negatives: Number of negatives per query.
        repeats: Number of times that queries and negatives are drawn.
        level: `product` draws products, each at most once per list; `photo` draws photos, so that products with more
            photos are drawn more often and a list can contain a text several times.
        label: Label that negatives share with their query: `subcategory`, `category`, or a column of the catalogue.
        small: Treatment of queries with too few products of the same label: `fill` takes the remaining negatives from
            the category, `drop` leaves the query out.
        seed: Seed of the draws.
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
    """Configuration of a retrieval protocol: queries and their candidates (the paper's tasks ITR and TIR).

    Args:
        records: Folder that `prepare` wrote.
        out: Folder for the metrics and the scores.
        protocol: `random100` draws negatives of the same sub-category; `fixed` reads candidate lists from a file, or
            uses the lists of the original's retrieval files if the records were made from them; `full` ranks all
            candidates for every query.
        direction: `i2t`, photo queries and text candidates; `t2i`, text queries and photo candidates; or `both`.
        split: Split to evaluate: `test`, `validation` or `train`.
        distractors: Another split whose texts and photos compete in `full`, in rows of their own: `train` shows how far
            a model ranks the products that it was trained on before others. Null leaves these rows out.
        lists: File of candidate lists: `fixed` reads it, `random100` writes it once and then reuses it. Null is a file
            in the records' folder.
        text: Text of a product: `title`, `description`, or `both` as in the records.
        twins: What becomes of candidates of another product with the query's text, as the model reads it, or photo:
            `leave_out` takes them out of the candidates; `right` counts the best of them and the positive; `wrong`
            counts them against the model, which cannot know better. The lists of the original's files stay as they are.
        catalog: Folder of the catalogue that the records were made from, if it is not beside them; provides texts and
            labels that the records lack.
        resamples: Number of bootstrap resamples for the confidence intervals.
        candidates_config: Settings of the draw of `random100`.
    """

    records: str
    out: str
    protocol: Literal["random100", "fixed", "full"] = "random100"
    direction: Literal["both", "i2t", "t2i"] = "both"
    split: Literal["test", "validation", "train"] = "test"
    distractors: Literal["validation", "test", "train"] | None = None
    lists: str | None = None
    text: TextField = "both"
    twins: Twins = "leave_out"
    catalog: str | None = None
    resamples: int = 1000
    candidates_config: CandidatesConfig = field(default_factory=CandidatesConfig)

    def __post_init__(self):
        check_range(self, "[1, 100_000]", "resamples")
        if self.distractors and (self.protocol != "full" or self.distractors == self.split):
            raise UserError(
                "distractors are those of another split, for protocol full; change distractors, split or protocol. "
                f"Received: distractors {self.distractors}, split {self.split}, protocol {self.protocol}"
            )

    def with_distractors(self) -> list[Self]:
        """Lists the protocol without distractors and, if there are any, with them."""
        return [replace(self, distractors=None), self] if self.distractors else [self]


@dataclass(frozen=True, kw_only=True)
class RetrieveConfig(ProtocolConfig):
    """Configuration of retrieval by a saved model (the paper's tasks ITR and TIR).

    Args:
        model: Saved model, the `model` folder of a run.
        protocol: As for other rankings, or `kagl`, which ranks the photos of all splits for the text queries of a file.
        queries: File of the queries of `kagl` and the products that are right for each: {query: {product id: 1}}.
        batch_size: Pairs per step; null is 1,024 on an accelerator and 64 on a processor.
        precision: `float32`, or `mixed_bfloat16`, which is faster on processors that support it and can change ranks.
        shortlist: Number of candidates per query that the matching head scores: those that `shortlist_model` ranks
            highest; the others keep their ranks. Null scores all candidates.
        shortlist_model: Saved model that embeds texts and photos alone, from `baseline retrieval`, `finetune --task
            contrastive` or a training with `itc`; null is `model` itself, or the two-tower model inside it.
        bank: Split whose texts and photos normalise cosines, which lowers those that are similar to everything; null
            leaves cosines as they are.
        rank_by: What ranks: `head`, the matching head where the model has one, or `embeddings`, their cosines alone.
    """

    model: str
    protocol: Literal["random100", "fixed", "full", "kagl"] = "random100"
    queries: str | None = None
    batch_size: int | None = None
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    shortlist: int | None = None
    shortlist_model: str | None = None
    bank: Literal["train", "validation"] | None = None
    rank_by: Literal["head", "embeddings"] = "head"

    def __post_init__(self):
        super().__post_init__()
        check = partial(check_range, self)
        check("[1, 1_000_000]", "batch_size", "shortlist")
        if self.shortlist_model and not self.shortlist:
            raise UserError(f"shortlist_model needs the size of the shortlist in shortlist. Received: {self.shortlist}")
        if (self.protocol == "kagl") != bool(self.queries):
            raise UserError(
                "protocol kagl needs a file of queries, and no other protocol reads one; set or leave queries. "
                f"Received: protocol {self.protocol}, queries {self.queries}"
            )
        if self.shortlist and self.rank_by == "embeddings":
            raise UserError("a shortlist is ranked by the matching head; set rank_by to head. Received: embeddings")
