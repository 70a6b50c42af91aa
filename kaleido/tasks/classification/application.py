"""Recognition of categories and attributes from photo and text, or photo alone (the paper's tasks CR and SUB)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.registry import register_task
from kaleido.app.result import Result
from kaleido.app.signatures import CLASSIFY, EMBED, Signature, bert_signatures
from kaleido.backend import ops
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.records.catalog_columns import column_labels
from kaleido.records.index import UNLABELLED
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.tasks.classification.config import RecognitionConfig

if TYPE_CHECKING:
    from kaleido.tasks.classification.model import Classifier

BEST = ("label", "second", "third")
"""Columns of the most probable classes in `predict`, in order."""


@register_task("category", "to recognise the category of a product")
@register_task("subcategory", "to recognise the sub-category of a product")
class Recognition(Finetuning):
    """Fine-tunes recognition of the category or the sub-category of a product.

    Products without the label count neither in the loss nor in the metrics.

    Args:
        config: Configuration of `finetune`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Attributes:
        names: Names of the classes.
        unseen: Number of photos of the evaluated split whose class has no training product; they count as unlabelled.

    Raises:
        UserError: if the records have fewer than two classes, or the evaluated split has a class without training
            products and `recognition_config.unseen` is `refuse`.
    """

    sections: ClassVar[Mapping[str, type]] = {"recognition_config": RecognitionConfig}
    free_keys = ("recognition_config.unseen",)
    answer = CLASSIFY
    provides = (EMBED, CLASSIFY)

    def __init__(self, config: FinetuneConfig, saved: Path | None = None):
        super().__init__(config, saved)
        if self.saved:
            self._trained = np.arange(len(self.names))
            self._class_weights = np.ones(len(self.names), np.float32)
        else:
            self._read_training_classes()
        self.unseen = self._count_unseen(self.open_records(config.evaluate_config.split))

    @classmethod
    def check_config(cls, config: FinetuneConfig) -> None:
        if config.recognition_config.column:
            raise UserError(
                "recognition_config.column is for the task attribute only; leave it null. "
                f"Received: {config.recognition_config.column} for {config.task}"
            )

    @classmethod
    def create_model(cls, content: Mapping[str, Any]) -> "Classifier":
        from kaleido.tasks.classification.model import Classifier

        return Classifier(ModelConfig.from_dict(content["architecture"]), content["task"], len(content["labels"]))

    @classmethod
    def signatures(cls, model: "Classifier") -> dict[str, Signature]:
        def classify(batch: Mapping[str, Any]) -> dict[str, Any]:
            logits = model(batch, training=False)[model.task]
            return {"probabilities": ops.softmax(ops.cast(logits, "float32"))}

        return {**bert_signatures(model), CLASSIFY: Signature(classify)}

    @classmethod
    def prediction(cls, outputs: Mapping[str, np.ndarray], labels: Sequence[str]) -> dict[str, Any]:
        probabilities, found = outputs["probabilities"], {}
        for column, number in zip(BEST, np.argsort(-probabilities, kind="stable")):
            found[column] = labels[number]
            key = "probability" if column == BEST[0] else f"{column}_probability"
            found[key] = round(float(probabilities[number]), 6)
        return found

    @classmethod
    def result_files(cls, config: FinetuneConfig) -> tuple[str, ...]:
        split = config.evaluate_config.split
        return (f"recognition-{split}.json", f"predictions-{split}.csv")

    @property
    def shows_text(self) -> bool:
        return self.config.recognition_config.text

    def read_classes(self, records: SplitRecords) -> tuple[list[str], np.ndarray]:
        """Reads the class names, and the class of every record as int32 [n], -1 if it has none."""
        return label_classes(records, self.task)

    def labels(self, records: SplitRecords) -> dict[str, np.ndarray]:
        classes = self._classes(records)
        return {self.task: np.where(np.isin(classes, self._trained), classes, UNLABELLED).astype(np.int32)}

    @property
    def metric_tags(self) -> tuple[str, ...]:
        return f"loss/{self.task}", f"accuracy/{self.task}"

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

    def evaluate(self) -> Result:
        from kaleido.tasks.classification.report import recognition_result

        split = self.config.evaluate_config.split
        found = self.run_predict(split)
        labels = found[f"{self.task}_label"]
        if not (labels >= 0).any():
            raise UserError(f"{self.config.records}: no {split} product has a {self.task}; name another split")
        photos = self.open_records(split).photo_ids()
        return recognition_result(self.task, split, list(self.names), photos, labels, found[self.task], self.unseen)

    def _read_training_classes(self) -> None:
        records = self.open_records("train")
        if not (self.shows_text or isinstance(records, PhotoRecords)):
            raise UserError(
                f"{self.config.records}: the original's data always has texts with the photos; set "
                "recognition_config.text to true"
            )
        self.names, trained = self.read_classes(records)
        if len(self.names) < 2:
            raise UserError(
                f"{self.config.records}: recognising the {self.task} needs at least two classes; give the catalogue a "
                f"column for it. Received: {', '.join(self.names) or 'none'}"
            )
        self._trained = np.unique(trained)
        self._class_weights = class_weights(trained, len(self.names), self.config.recognition_config.balance)

    def _classes(self, records: SplitRecords) -> np.ndarray:
        """Reads the class of every record by its number in `names`; unknown classes are numbered from `len(names)`."""
        names, classes = self.read_classes(records)
        places = {name: number for number, name in enumerate(self.names)}
        mapped = np.array([*(places.get(name, len(places) + n) for n, name in enumerate(names)), UNLABELLED], np.int32)
        return mapped[classes]

    def _count_unseen(self, records: SplitRecords) -> int:
        classes, (known, numbers) = self._classes(records), self.read_classes(records)
        left_out = ~np.isin(classes, [*self._trained, UNLABELLED])
        unseen, counts = np.unique(numbers[left_out], return_counts=True)
        if len(unseen) and self.config.recognition_config.unseen == "refuse":
            names = [known[number] if number < len(known) else str(number) for number in unseen[:3]]
            more = f" and {len(unseen) - 3} more" if len(unseen) > 3 else ""
            raise UserError(
                f"{records.directory}: {records.split} products have a {self.task} that no training product has: "
                f"{', '.join(names)}{more}; add training products of them, or leave them out of the metrics with "
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


@register_task("attribute", "to recognise the value of another column of the catalogue")
class AttributeRecognition(Recognition):
    """Fine-tunes recognition of the value of another catalogue column, for example gender, colour or article type.

    Args:
        config: Configuration of `finetune`, with `recognition_config.column`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Raises:
        UserError: if the catalogue has no such column.
    """

    @classmethod
    def check_config(cls, config: FinetuneConfig) -> None:
        if not config.recognition_config.column:
            raise UserError(
                "task attribute needs a column of the catalogue; name it in recognition_config.column. Received: none"
            )

    def read_classes(self, records: SplitRecords) -> tuple[list[str], np.ndarray]:
        return column_labels(records, self.config.recognition_config.column, self.config.catalog)


def class_weights(labels: np.ndarray, classes: int, balance: float) -> np.ndarray:
    """Computes class weights n ** -balance for n products, scaled to a mean of 1 over the labelled products.

    Args:
        labels: int [products], class of each product; -1 if it has none.
        classes: Number of classes; a class without products gets the weight of a class with one product.
        balance: Exponent in 0..1; 0 weights all products equally, 1 all classes.

    Returns:
        float32 [classes].
    """
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    weights = np.maximum(counts, 1.0) ** -balance
    return (weights * counts.sum() / (weights @ counts)).astype(np.float32)


def label_classes(records: SplitRecords, task: str) -> tuple[list[str], np.ndarray]:
    """Reads the class names of `category` or `subcategory`, and the class of every record: int32 [n]."""
    if isinstance(records, PhotoRecords):
        return column_labels(records, task)
    # Each line of the original's data has the number and the name of its class.
    columns = records.index.columns
    if f"{task}_label" not in columns:
        raise UserError(
            f"{records.directory}: the original's data for {records.content} has no labels of {task}; name records "
            "of its data for recognition"
        )
    numbers, first = np.unique(columns[f"{task}_label"], return_index=True)
    named = dict(zip(numbers.tolist(), columns[task][first].tolist()))
    return [named.get(number, str(number)) for number in range(max(named, default=-1) + 1)], columns[f"{task}_label"]
