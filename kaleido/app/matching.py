"""Fine-tuning for retrieval: a photo's own text against those of other products of its sub-category."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.pretraining_tasks import PretrainingTasks
from kaleido.model.config import LossConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.matcher import Matcher, contrastive_losses

TASK, CONTRASTIVE = "itm", "contrastive"


class Matching(PretrainingTasks, Finetuning):
    """Image-text matching alone, on whole texts and photos, with hard negatives.

    What is saved is a model with the head `itm`, as pre-training leaves one, that `retrieve` takes; with the
    contrastive head where the configuration gives it a weight.

    Args:
        config: Records, folder of the run, the model to start from, training.
    """

    pipeline_tasks = (TASK,)

    def __init__(self, config: FinetuneConfig):
        negatives = config.retrieval_config.negatives
        pairs = replace(
            config.preprocess_config,
            mismatch="same_subcategory",
            mismatch_probability=negatives / (negatives + 1),
        )
        Finetuning.__init__(self, replace(config, preprocess_config=pairs))
        others = dict.fromkeys(("mlm", "rotation", "jigsaw", "camouflage", "grey", "blank"), 0.0)
        PretrainingTasks.__init__(self, LossConfig(**others), self.architecture.compatibility)
        self._contrastive = config.retrieval_config.contrastive

    def build_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.config.seed)
        self.model = Matcher(self.architecture) if self._contrastive else KaleidoBert(self.architecture, self.tasks)
        bert = self.model.bert if self._contrastive else self.model
        if self.start:
            bert.copy_body(self.start)
            if TASK in self.start.tasks:
                bert.heads[TASK].set_weights(self.start.heads[TASK].get_weights())
        return self.model

    @property
    def metric_tags(self) -> tuple[str, ...]:
        return super().metric_tags + ((f"loss/{CONTRASTIVE}",) if self._contrastive else ())

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return super().build_loss_weights(labels) | {CONTRASTIVE: ops.sum(labels["paired"])}

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        loss = super().build_loss(logits, labels, weights)
        if self._contrastive:
            total = ops.sum(contrastive_losses(logits, labels, self.model.scale))
            loss = loss + self._contrastive * total / ops.maximum(weights[CONTRASTIVE], 1e-5)
        return loss

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        metrics = super().build_eval_metrics(logits, labels)
        if self._contrastive:
            total = ops.sum(contrastive_losses(logits, labels, self.model.scale))
            metrics[f"loss/{CONTRASTIVE}"] = total, ops.sum(labels["paired"])
        return metrics

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        found = super().summarize(means)
        found["loss/total"] += self._contrastive * means.get(f"loss/{CONTRASTIVE}", 0.0)
        return found
