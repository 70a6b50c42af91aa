"""An application: a model with its loss and its metrics, in EasyTransfer's five methods."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaleido.backend import ops

if TYPE_CHECKING:
    import keras


TRAIN, EVALUATE, PREDICT = "train", "evaluate", "predict"


class Application(ABC):
    """A model together with its loss and its metrics; the engine runs any of them.

    Features and labels both live in a batch (`docs/design.md`), a dict of arrays. `build_model` is called once, inside
    the step's distribution scope; the others may be traced by the backend's compiler, so they use Keras ops.

    Attributes:
        model: Keras model that `build_model` made.
    """

    model: "keras.Model"

    @abstractmethod
    def build_model(self) -> "keras.Model":
        """Makes the model, keeps it as `self.model` and returns it."""

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        """Runs the model; returns its outputs by name. `mode` is `train`, `evaluate` or `predict`."""
        return self.model(features, training=mode == TRAIN)

    @abstractmethod
    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        """Computes the weight of each task in a batch: float32 scalars by task, for example numbers of labelled rows.

        If a batch is split into parts, over devices or by accumulation, their weights are added up and each part's loss
        is divided by the sum.
        """

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        """Computes this part's share of the loss, a scalar, given the weights of the whole batch.

        By default each task's sum of `loss/TASK` in `build_eval_metrics`, divided by the task's weight.
        """
        metrics = self.build_eval_metrics(logits, labels)
        return sum(metrics[f"loss/{task}"][0] / ops.maximum(weight, 1e-5) for task, weight in weights.items())

    @abstractmethod
    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        """Computes sum and weight of each metric by tag, `loss/TASK` among them; they add up over batches."""

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        """Converts the outputs of `build_logits` to predictions for users, for example probabilities."""
        return dict(output)

    @property
    @abstractmethod
    def metric_tags(self) -> tuple[str, ...]:
        """Tags of `build_eval_metrics`, in order; a class attribute if they are always the same."""

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        """Adds derived metrics to mean metrics by tag, at least `loss/total`, the sum of the losses."""
        return {"loss/total": sum(value for tag, value in means.items() if tag.startswith("loss/")), **means}
