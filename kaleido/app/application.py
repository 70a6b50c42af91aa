"""An application: what a model is built for, in EasyTransfer's five verbs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


TRAIN, EVALUATE, PREDICT = "train", "evaluate", "predict"


class Application(ABC):
    """A model together with its loss and its metrics; the engine runs any of them.

    Features and labels both live in a batch (`docs/design.md`), a dict of arrays. `build_model` is called once, inside
    the step's distribution scope; the others may be traced by the backend's compiler, so they use Keras ops.
    """

    model: "keras.Model"

    @abstractmethod
    def build_model(self) -> "keras.Model":
        """Makes the model, keeps it as `self.model` and returns it."""

    @abstractmethod
    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        """Runs the model: logits by task. `mode` is `train`, `evaluate` or `predict`."""

    @abstractmethod
    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        """How much each task has to count in a batch: float32 scalars by task.

        A batch that is cut into parts, over devices or in time, adds these up and divides each part's loss by the sum.
        """

    @abstractmethod
    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        """This part's share of the loss, a scalar, given the weights of the whole batch."""

    @abstractmethod
    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        """Sum and weight of each metric by tag, for example `accuracy/itm`; they add up over batches."""

    @abstractmethod
    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        """From logits to what a user reads: probabilities by task."""

    @property
    @abstractmethod
    def metric_tags(self) -> tuple[str, ...]:
        """The tags of `build_eval_metrics`, in order."""

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        """Completes mean metrics by tag with what follows from them, at least `loss/total`: the sum of the losses."""
        return {"loss/total": sum(value for tag, value in means.items() if tag.startswith("loss/")), **means}
