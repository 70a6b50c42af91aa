"""Texts and photos that find each other within a batch: two towers, an addition of ours (off in the paper)."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from kaleido.app.application import TRAIN
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.errors import UserError
from kaleido.tasks.matching.two_tower import Towers, contrastive_logits, contrastive_losses

TASK = "contrastive"


class Contrastive(Finetuning):
    """Two towers without an encoder; what they say is where `finetune --task retrieval` can go on from.

    The larger the batch, the more compete: 512 at a learning rate of 2e-3 does well.

    Args:
        config: Records, folder of the run, training.

    Raises:
        UserError: if a model to start from is given.
    """

    description = "train towers"
    metric_tags = (f"loss/{TASK}", f"accuracy/{TASK}")

    def __init__(self, config: FinetuneConfig):
        if config.model:
            raise UserError(f"task {TASK} starts from nothing; leave model empty. Received: {config.model}")
        super().__init__(config)

    def build_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.config.seed)
        self.model = Towers(self.architecture)
        return self.model

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        """Logits [B, B], photos in rows."""
        found = self.model(features, training=mode == TRAIN)
        scale = self.model.scale
        return {TASK: contrastive_logits(found["texts"], found["photos"], scale, features["token_ids"])}

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {TASK: ops.cast(ops.shape(labels["token_ids"])[0], "float32")}

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        return ops.sum(contrastive_losses(logits[TASK])) / weights[TASK]

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        rows = ops.shape(labels["token_ids"])[0]
        found = ops.cast(ops.argmax(logits[TASK], axis=-1), "int32")
        hits = ops.cast(ops.equal(found, ops.arange(rows, dtype="int32")), "float32")
        count = ops.cast(rows, "float32")
        return {
            f"loss/{TASK}": (ops.sum(contrastive_losses(logits[TASK])), count),
            f"accuracy/{TASK}": (ops.sum(hits), count),
        }

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        """Of each photo, how likely each text of the batch is: float32 [B, B]."""
        return {TASK: ops.softmax(output[TASK])}

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        return {"loss/total": means[f"loss/{TASK}"], **means}
