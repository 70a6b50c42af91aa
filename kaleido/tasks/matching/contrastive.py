"""Contrastive training of a two-tower model with in-batch negatives; not part of the paper."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaleido.app.application import TRAIN
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.model_folder import SavedModel
from kaleido.app.registry import register_task
from kaleido.app.result import Result
from kaleido.app.signatures import ENCODE_IMAGE, ENCODE_TEXT, Signature, embedding_signatures
from kaleido.backend import ops
from kaleido.constants import CONTRASTIVE, LEVELS
from kaleido.errors import UserError
from kaleido.model.config import Compatibility, ModelConfig
from kaleido.model.losses import item_hits, item_losses
from kaleido.network_folder import Size
from kaleido.tasks.matching.report import pair_result

if TYPE_CHECKING:
    from kaleido.retrieval.gallery import Gallery
    from kaleido.tasks.matching.two_tower import TwoTower

TASK = "contrastive"


@register_task(TASK, "to match texts and photos by a two-tower model without a cross-modal encoder")
class Contrastive(Finetuning):
    """Trains a two-tower model, which `finetune --task retrieval` can build on.

    A larger batch has more negatives; a batch size of 512 with a learning rate of 2e-3 works well.

    Args:
        config: Configuration of `finetune`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Raises:
        UserError: if the configuration names a model to start from.
    """

    description = "train the two-tower model"
    provides = (ENCODE_TEXT, ENCODE_IMAGE)
    protocol = "random100"
    metric_tags = (f"loss/{TASK}", f"accuracy/{TASK}")
    weight_sizes = {"vocab_size": Size(("/words/embeddings",)), "feature_size": Size(("_norm/beta",))}

    @classmethod
    def check_config(cls, config: FinetuneConfig) -> None:
        if config.model:
            raise UserError(f"task {TASK} starts from scratch; leave model null. Received: {config.model}")

    @classmethod
    def create_model(cls, content: Mapping[str, Any]) -> "TwoTower":
        from kaleido.tasks.matching.two_tower import TwoTower

        levels = content.get("task_config", {}).get("levels", LEVELS)
        if not levels or not set(levels) <= set(LEVELS) or len(set(levels)) < len(levels):
            raise ValueError(f"levels must be among {LEVELS}: {levels!r:.100}")
        return TwoTower(ModelConfig.from_dict(content["architecture"]), levels)

    @classmethod
    def signatures(cls, model: "TwoTower") -> dict[str, Signature]:
        return embedding_signatures(model)

    @classmethod
    def create_scorer(cls, saved: SavedModel, gallery: "Gallery", batch_size: int) -> Any:
        from kaleido.retrieval.cosine_scorer import two_tower_scorer

        return two_tower_scorer(saved.model, gallery, batch_size)

    create_shortlist_scorer = create_scorer

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        """Computes the logits [B, 2, N] of `contrastive_logits`."""
        from kaleido.model.contrastive import contrastive_logits

        found = self.model(features, training=mode == TRAIN)
        return {TASK: contrastive_logits(found["texts"], found["photos"], self.model.scale, features)}

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {TASK: ops.cast(ops.shape(labels["token_ids"])[0], "float32")}

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        losses, hits = (ops.mean(of(CONTRASTIVE, logits[TASK], labels), axis=1) for of in (_losses, item_hits))
        count = ops.cast(ops.shape(labels["token_ids"])[0], "float32")
        return {f"loss/{TASK}": (ops.sum(losses), count), f"accuracy/{TASK}": (ops.sum(hits), count)}

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        """Computes the probability of each text of the batch for each photo: float32 [B, N]."""
        return {TASK: ops.softmax(output[TASK][:, 0])}

    def evaluate(self) -> Result:
        config = self.config.evaluate_config
        metrics = self._known_metrics() or self.run_evaluate()
        option = f"--retrieval_config.two_tower_model {self.model_directory}"
        after = f"`kaleido finetune --task retrieval {option} ...` builds on this model"
        title = f"two-tower model, {config.split}"
        return pair_result(metrics, title, "texts per photo", config.batch_size, TASK, after)

    @classmethod
    def result_files(cls, config: FinetuneConfig) -> tuple[str, ...]:
        return ("metrics.json", "model/config.json")


def _losses(task: str, logits: Any, labels: Mapping) -> Any:
    return item_losses(task, logits, labels, Compatibility())
