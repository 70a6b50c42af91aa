"""What each task's logits cost (paper section 3.4), item by item, and how items add up.

Values and weights are kept apart: a weight depends on the batch alone, so a step that is split over devices or over
accumulated parts divides by the weight of the whole and gives the same loss and gradient as one that is not.
"""

from collections.abc import Mapping
from typing import Any

from kaleido.backend import ops
from kaleido.constants import CLASSIFICATION_TASKS, RECONSTRUCTION_TASKS
from kaleido.model.config import Compatibility, LossConfig

CROSS_MODAL_TASKS = ("mlm", "grey", "blank")
"""Completed from the other modality: on a pair of different products there is no right answer to find there."""


def item_weights(task: str, batch: Mapping[str, Any], compatibility: Compatibility) -> Any:
    """How much each item of a task counts: float32 [B, n], from the labels alone.

    n is the masked slots for `mlm`, the masked patches for `grey` and `blank`, and 1 for the others.
    """
    if task == "mlm":
        weights = ops.cast(batch["mlm_weights"], "float32")
    elif task in RECONSTRUCTION_TASKS:
        weights = ops.ones_like(batch[f"{task}_positions"], dtype="float32")
    else:
        weights = ops.ones_like(batch[f"{task}_label"], dtype="float32")[:, None]
    if task in CROSS_MODAL_TASKS and not compatibility.losses_on_mismatched_pairs:
        weights = weights * ops.cast(batch["paired"], "float32")[:, None]
    return weights


def item_losses(task: str, logits: Any, batch: Mapping[str, Any], compatibility: Compatibility) -> Any:
    """The loss of each item: float32 [B, n], cross-entropy in nats or Kullback-Leibler divergence in nats."""
    logits = ops.cast(logits, "float32")
    if task in RECONSTRUCTION_TASKS:
        joint = task == "grey" and compatibility.joint_grey_softmax
        return _divergence(ops.cast(batch[f"{task}_targets"], "float32"), logits, joint)
    labels, logits = _labelled(task, logits, batch)
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def item_hits(task: str, logits: Any, batch: Mapping[str, Any]) -> Any:
    """1 where the likeliest class is the right one: float32 [B, n]; classification tasks only."""
    labels, logits = _labelled(task, logits, batch)
    return ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), labels), "float32")


def total_loss(
    logits: Mapping[str, Any],
    batch: Mapping[str, Any],
    config: LossConfig,
    compatibility: Compatibility,
    weights: Mapping[str, Any] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Computes the weighted sum of the tasks' losses.

    Args:
        logits: By task.
        batch: See `docs/design.md`.
        config: The tasks' weights; a task without logits is left out.
        compatibility: Quirks of the original release.
        weights: By task, the float32 scalar to divide by; this batch's own weight if not given.

    Returns:
        total, and `{task: loss}`, scalars; a task with nothing to count is 0.
    """
    total: Any = 0.0
    losses: dict[str, Any] = {}
    for task in config.tasks:
        if task not in logits:
            continue
        item_weight = item_weights(task, batch, compatibility)
        whole = ops.sum(item_weight) if weights is None else weights[task]
        losses[task] = ops.sum(item_losses(task, logits[task], batch, compatibility) * item_weight) / ops.maximum(
            whole, 1e-5
        )
        total = total + getattr(config, task) * losses[task]
    return total, losses


def _labelled(task, logits, batch):
    """Labels int32 [B, n] and logits [B, n, classes] of a classification task."""
    if task not in CLASSIFICATION_TASKS:
        raise ValueError(f"{task} has no classes")
    if task == "mlm":
        return batch["mlm_ids"], logits
    return batch[f"{task}_label"][:, None], logits[:, None]


def _divergence(targets, logits, joint):
    """KL(softmax(targets) || softmax(logits)) over the features, [B, n].

    With `joint`, the targets' softmax runs over all n patches of an example together.
    """
    if joint:
        shape = ops.shape(targets)
        log_targets = ops.reshape(ops.log_softmax(ops.reshape(targets, (shape[0], -1))), shape)
    else:
        log_targets = ops.log_softmax(targets)
    return ops.sum(ops.exp(log_targets) * (log_targets - ops.log_softmax(logits)), axis=-1)
