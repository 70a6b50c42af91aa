"""Losses and metrics of the pre-training tasks: the paper's seven and contrastive learning."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaleido.app.application import Application
from kaleido.backend import ops
from kaleido.constants import CLASSIFICATION_TASKS, CONTRASTIVE, RECONSTRUCTION_TASKS
from kaleido.model.config import Compatibility, LossConfig
from kaleido.model.losses import item_hits, item_losses, item_weights, total_loss

if TYPE_CHECKING:
    from kaleido.app.model_folder import SavedModel
    from kaleido.model.kaleido_bert import KaleidoBert
    from kaleido.retrieval.gallery import Gallery


class PretrainingTasks(Application):
    """Losses, metrics and predictions of Kaleido-BERT's heads, for any model and source of batches.

    Args:
        loss_config: Weight of each task; tasks of weight 0 are left out.
        compatibility: Quirks of the original release.
    """

    model: "KaleidoBert"

    def __init__(self, loss_config: LossConfig, compatibility: Compatibility):
        self.loss_config = loss_config
        self.compatibility = compatibility
        self.tasks = loss_config.tasks

    @property
    def metric_tags(self) -> tuple[str, ...]:
        accuracies = [f"accuracy/{task}" for task in self.tasks if task in CLASSIFICATION_TASKS]
        return tuple(f"loss/{task}" for task in self.tasks) + tuple(accuracies)

    @classmethod
    def create_shortlist_scorer(cls, saved: "SavedModel", gallery: "Gallery", batch_size: int) -> Any:
        if CONTRASTIVE not in saved.content["heads"]:
            return super().create_shortlist_scorer(saved, gallery, batch_size)
        from kaleido.retrieval.cosine_scorer import two_tower_scorer

        return two_tower_scorer(saved.model, gallery, batch_size)

    @classmethod
    def create_scorer(cls, saved: "SavedModel", gallery: "Gallery", batch_size: int) -> Any:
        if "itm" not in saved.content["heads"]:
            return super().create_scorer(saved, gallery, batch_size)
        from kaleido.retrieval.pair_scorer import PairScorer

        return PairScorer(saved.model, gallery, batch_size)

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {task: ops.sum(item_weights(task, labels, self.compatibility)) for task in self.tasks}

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        return total_loss(logits, labels, self.loss_config, self.compatibility, weights)[0]

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        metrics = {}
        for task in self.tasks:
            weights = item_weights(task, labels, self.compatibility)
            whole = ops.sum(weights)
            losses = item_losses(task, logits[task], labels, self.compatibility)
            metrics[f"loss/{task}"] = (ops.sum(losses * weights), whole)
            if task in CLASSIFICATION_TASKS:
                metrics[f"accuracy/{task}"] = (ops.sum(item_hits(task, logits[task], labels) * weights), whole)
        return metrics

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        return {
            task: logits if task in RECONSTRUCTION_TASKS else ops.softmax(ops.cast(logits, "float32"))
            for task, logits in output.items()
        }

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        total = sum(getattr(self.loss_config, task) * means[f"loss/{task}"] for task in self.tasks)
        return {"loss/total": total, **means}
