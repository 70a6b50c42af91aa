"""The network: words and kaleido patches in, logits by task out. Keras 3 ops only."""

from kaleido.model.config import SIZES, Compatibility, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.losses import LossConfig, item_hits, item_losses, item_weights, total_loss
from kaleido.model.tasks import CLASSIFICATION_TASKS, RECONSTRUCTION_TASKS, TASKS

__all__ = [
    "CLASSIFICATION_TASKS",
    "RECONSTRUCTION_TASKS",
    "SIZES",
    "TASKS",
    "Compatibility",
    "KaleidoBert",
    "LossConfig",
    "ModelConfig",
    "item_hits",
    "item_losses",
    "item_weights",
    "total_loss",
]
