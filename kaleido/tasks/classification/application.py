"""Category and sub-category recognition from photo and text, or photo alone (paper section 4.2, CR and SUB)."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kaleido.app.application import TRAIN
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.errors import UserError
from kaleido.records.catalog_columns import column_labels
from kaleido.records.index import UNLABELLED
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.tasks.classification.model import Recognizer


class Recognition(Finetuning):
    """Which category, or which sub-category, a product is of.

    Products without the label are read and do not count.

    Args:
        config: Task, records, folder of the run, the model to start from, training.

    Attributes:
        names: Of the classes.
        unseen: Products of the evaluated split whose class no training product has; they count as unlabelled.

    Raises:
        UserError: if the records have fewer than two classes, or the evaluated split has one that training lacks and
            the configuration does not say to leave it out.
    """

    def __init__(self, config: FinetuneConfig):
        super().__init__(config)
        self.task = config.task
        records = self.open_records("train")
        if not (config.recognition_config.text or isinstance(records, PhotoRecords)):
            raise UserError(
                f"{config.records}: the original's data shows all photos with their texts; set "
                "recognition_config.text true"
            )
        self.names, trained = self.read_classes(records)
        if len(self.names) < 2:
            raise UserError(
                f"{config.records}: recognising the {self.task} takes two classes at least; give the catalogue a "
                f"column for it. Received: {', '.join(self.names) or 'none'}"
            )

        self._trained = np.unique(trained)
        self._class_weights = class_weights(trained, len(self.names), config.recognition_config.balance)
        self.unseen = self._count_unseen(self.open_records(config.evaluate_config.split))

    @property
    def shows_text(self) -> bool:
        return self.config.recognition_config.text

    def read_classes(self, records: SplitRecords) -> tuple[list[str], np.ndarray]:
        """Names of the classes, the same in every split, and int32 [n], that of every record; -1 where unlabelled.

        Override it to recognise something else.
        """
        return label_classes(records, self.task)

    def labels(self, records: SplitRecords) -> dict[str, np.ndarray]:
        _, classes = self.read_classes(records)
        return {self.task: np.where(np.isin(classes, self._trained), classes, UNLABELLED).astype(np.int32)}

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
        return {self.task: ops.sum(self._weights(labels))}

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        losses = self._losses(logits, labels) * self._weights(labels)
        return ops.sum(losses) / ops.maximum(weights[self.task], 1e-5)

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

    def _count_unseen(self, records: SplitRecords) -> int:
        _, classes = self.read_classes(records)
        unseen, counts = np.unique(classes[~np.isin(classes, [*self._trained, UNLABELLED])], return_counts=True)
        if len(unseen) and self.config.recognition_config.unseen == "refuse":
            names = [self.names[number] if number < len(self.names) else str(number) for number in unseen[:3]]
            more = f" and {len(unseen) - 3} more" if len(unseen) > 3 else ""
            raise UserError(
                f"{records.directory}: {records.split} products have a {self.task} that no training product has: "
                f"{', '.join(names)}{more}; give such products to train on, or leave them out of the figures with "
                f"recognition_config.unseen ignore. Received: {counts.sum()} of {len(classes)} photos"
            )
        return int(counts.sum())

    def _labelled(self, batch):
        return ops.cast(batch[f"{self.task}_label"] >= 0, "float32")

    def _weights(self, batch):
        return ops.take(self._class_weights, ops.maximum(batch[f"{self.task}_label"], 0)) * self._labelled(batch)

    def _losses(self, logits, batch):
        labels = ops.maximum(batch[f"{self.task}_label"], 0)
        losses = ops.sparse_categorical_crossentropy(labels, ops.cast(logits[self.task], "float32"), from_logits=True)
        return losses * self._labelled(batch)


def class_weights(labels: np.ndarray, classes: int, balance: float) -> np.ndarray:
    """float32 [classes]: n ** -balance for a class of n products, scaled to a mean of 1 over the labelled products.

    Args:
        labels: int [products], the number of each one's class, -1 where it has none.
        classes: How many there are; one without products gets the weight of one with a single product.
        balance: From 0, all products count the same, to 1, all classes do.
    """
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    weights = np.maximum(counts, 1.0) ** -balance
    return (weights * counts.sum() / (weights @ counts)).astype(np.float32)


def label_classes(records: SplitRecords, task: str) -> tuple[list[str], np.ndarray]:
    """The names of `category` or `subcategory`, in the order of their numbers, and int32 [n], that of every record."""
    if isinstance(records, PhotoRecords):
        return column_labels(records, task)
    # Of the original's data, which has a number and a name on each line.
    columns = records.index.columns
    if f"{task}_label" not in columns:
        raise UserError(
            f"{records.directory}: holds data for {records.content}, without labels of {task}; name records of data "
            "for recognition"
        )
    numbers, first = np.unique(columns[f"{task}_label"], return_index=True)
    named = dict(zip(numbers.tolist(), columns[task][first].tolist()))
    return [named.get(number, str(number)) for number in range(max(named, default=-1) + 1)], columns[f"{task}_label"]
