"""Configuration section of fine-tuning for retrieval."""

from dataclasses import dataclass

from kaleido.errors import UserError
from kaleido.ranges import check_range


@dataclass(frozen=True)
class RetrievalConfig:
    """Configuration of the negatives and the two-tower model of the task `retrieval`.

    Args:
        negatives: Number of negatives per positive: photos with the text of another product, of the same sub-category
            if it has one.
        two_tower_model: Saved model of the task `contrastive`. The logits of the matching head are added to its score,
            and it makes the shortlist of `retrieve`. Null, as in the paper, trains the matching head alone.
        hard_negatives: Number of texts of other products, most similar to the photo by the two-tower model, from which
            negatives are drawn instead of from the sub-category. 0 draws from the sub-category. Evaluation during
            training always draws from the sub-category.
        contrastive: Weight of contrastive learning by the same encoder, `itc`, beside `itm`, whose weight is 1; its
            negatives then come from the batch, and the options above have no effect. 0 leaves it out, null is 1 if the
            model to start from has the head `itc` and 0 if not.
    """

    negatives: int = 1
    two_tower_model: str | None = None
    hard_negatives: int = 0
    contrastive: float | None = None

    def __post_init__(self):
        check_range(self, "[1, 1000]", "negatives", section="retrieval_config")
        check_range(self, "[0, 10_000]", "hard_negatives", section="retrieval_config")
        check_range(self, "[0, inf)", "contrastive", section="retrieval_config")
        if self.contrastive and self.two_tower_model:
            raise UserError(
                "retrieval_config.contrastive trains embeddings by the encoder itself; leave two_tower_model null, or "
                f"set contrastive to 0. Received: {self.two_tower_model}"
            )
        if self.hard_negatives and not self.two_tower_model:
            raise UserError(
                "retrieval_config.hard_negatives needs a two-tower model; name the `model` folder of `finetune --task "
                f"contrastive` in retrieval_config.two_tower_model. Received: {self.hard_negatives}"
            )
