"""Category and sub-category recognition from photo and text (paper section 4.2, CR and SUB)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kaleido.app.application import TRAIN
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.model_directory import save_model
from kaleido.errors import UserError
from kaleido.model.recognizer import Recognizer
from kaleido.records.reader import SplitRecords

_METADATA = {"category": "categories", "subcategory": "subcategories"}


class Recognition(Finetuning):
    """Which category, or which sub-category, a product is of.

    Products without the label are read and do not count.

    Args:
        config: Task, records, folder of the run, the model to start from, training.

    Attributes:
        names: Of the classes.

    Raises:
        UserError: if the records have fewer than two classes.
    """

    def __init__(self, config: FinetuneConfig):
        super().__init__(config)
        self.task = config.task
        self.names = label_names(self.open_records("train"), self.task)
        if len(self.names) < 2:
            raise UserError(
                f"{config.records}: recognising the {self.task} takes two classes at least; give the catalogue a "
                f"column for it. Received: {', '.join(self.names) or 'none'}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.task,)

    @property
    def metric_tags(self) -> tuple[str, ...]:
        return f"loss/{self.task}", f"accuracy/{self.task}"

    def build_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.config.seed)
        self.model = Recognizer(self.architecture, self.task, len(self.names))
        if self.start:
            self.model.bert.copy_body(self.start)
        return self.model

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        return self.model(features, training=mode == TRAIN)

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {self.task: ops.sum(self._labelled(labels))}

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        return ops.sum(self._losses(logits, labels)) / ops.maximum(weights[self.task], 1e-5)

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        labelled = self._labelled(labels)
        whole = ops.sum(labelled)
        likeliest = ops.cast(ops.argmax(logits[self.task], axis=-1), "int32")
        hits = ops.cast(ops.equal(likeliest, labels[f"{self.task}_label"]), "float32") * labelled
        return {
            f"loss/{self.task}": (ops.sum(self._losses(logits, labels)), whole),
            f"accuracy/{self.task}": (ops.sum(hits), whole),
        }

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        return {self.task: ops.softmax(ops.cast(output[self.task], "float32"))}

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        return {"loss/total": means[f"loss/{self.task}"], **means}

    def export_model(self, directory: Path) -> None:
        save_model(directory, self.model, self.tokenizer, self.open_records("train").metadata, self.names)

    def _labelled(self, batch):
        return ops.cast(batch[f"{self.task}_label"] >= 0, "float32")

    def _losses(self, logits, batch):
        labels = ops.maximum(batch[f"{self.task}_label"], 0)
        losses = ops.sparse_categorical_crossentropy(labels, ops.cast(logits[self.task], "float32"), from_logits=True)
        return losses * self._labelled(batch)


def label_names(records: SplitRecords, task: str) -> list[str]:
    """The names of a task's classes, in the order of their numbers."""
    if (names := records.metadata.get(_METADATA[task])) is not None:
        return list(names)
    # Of the original's data, which has a number and a name on each line.
    columns = records.index.columns
    if f"{task}_label" not in columns:
        return []
    numbers, first = np.unique(columns[f"{task}_label"], return_index=True)
    named = dict(zip(numbers.tolist(), columns[task][first].tolist()))
    return [named.get(number, str(number)) for number in range(max(named, default=-1) + 1)]
