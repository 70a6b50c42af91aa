"""The configuration section of fine-tuning for retrieval."""

from dataclasses import dataclass

from kaleido.errors import UserError
from kaleido.ranges import check_range


@dataclass(frozen=True)
class RetrievalConfig:
    """What the task `retrieval` learns from.

    Args:
        negatives: Number of photos with another product's text, of the same sub-category where there is one, for each
            photo with its own.
        two_tower: Saved model of the task `contrastive`, to whose score the matching head adds, and which makes the
            shortlist of `retrieve`; null, as in the paper, trains the head alone.
        hardest: Number of texts that the two-tower model finds most similar to the photo's own, from which negatives are
            drawn instead of from its sub-category; 0 for none. Evaluation during training keeps to the sub-category.
    """

    negatives: int = 1
    two_tower: str | None = None
    hardest: int = 0

    def __post_init__(self):
        check_range(self, "[1, 1000]", "negatives", section="retrieval_config")
        check_range(self, "[0, 10_000]", "hardest", section="retrieval_config")
        if self.hardest and not self.two_tower:
            raise UserError(
                "retrieval_config.hardest needs a two-tower model to find hard negatives; name the `model` folder of "
                f"`finetune --task contrastive` in retrieval_config.two_tower. Received: {self.hardest}"
            )
