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
        two_tower_model: Saved model of the task `contrastive`. The matching head adds to its score, and it makes the
            shortlist of `retrieve`; null, as in the paper, trains the head alone.
        hard_negatives: Number of texts that the two-tower model finds most similar to the photo's own; negatives are
            drawn from them instead of from the sub-category. 0 for none. Evaluation during training keeps to the
            sub-category.
    """

    negatives: int = 1
    two_tower_model: str | None = None
    hard_negatives: int = 0

    def __post_init__(self):
        check_range(self, "[1, 1000]", "negatives", section="retrieval_config")
        check_range(self, "[0, 10_000]", "hard_negatives", section="retrieval_config")
        if self.hard_negatives and not self.two_tower_model:
            raise UserError(
                "retrieval_config.hard_negatives needs a two-tower model; name the `model` folder of `finetune --task "
                f"contrastive` in retrieval_config.two_tower_model. Received: {self.hard_negatives}"
            )
