"""What pre-training asks of a model: the seven tasks' losses and metrics (paper section 3.4)."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from kaleido.app.application import TRAIN, Application
from kaleido.constants import CLASSIFICATION_TASKS, RECONSTRUCTION_TASKS
from kaleido.model.config import Compatibility, LossConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.losses import item_hits, item_losses, item_weights, total_loss


class PretrainingTasks(Application):
    """The tasks of Kaleido-BERT's heads, wherever the model and the batches come from.

    Args:
        loss_config: The weight of each task; one of weight 0 is left out.
        compatibility: Quirks of the original release.
    """

    model: KaleidoBert

    def __init__(self, loss_config: LossConfig, compatibility: Compatibility):
        self.loss_config = loss_config
        self.compatibility = compatibility
        self.tasks = loss_config.tasks

    @property
    def metric_tags(self) -> tuple[str, ...]:
        accuracies = [f"accuracy/{task}" for task in self.tasks if task in CLASSIFICATION_TASKS]
        return tuple(f"loss/{task}" for task in self.tasks) + tuple(accuracies)

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        return self.model(features, training=mode == TRAIN)

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
