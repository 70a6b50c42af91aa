"""Losses of the seven tasks (paper section 3.5) and of contrastive learning.

Losses and weights of items are separate: weights depend on the batch alone, so a step that is split over devices or
into accumulated parts divides by the weight of the whole batch and gives the same loss and gradient as an undivided
one. Items are the masked slots for `mlm`, the masked patches for `grey` and `blank`, the photo and the text for `itc`,
and the example for other tasks; of `itm` with negatives from the batch, the pair and its two negatives.
"""

from collections.abc import Mapping

from kaleido.backend import ops
from kaleido.constants import CLASSIFICATION_TASKS, CONTRASTIVE, RECONSTRUCTION_TASKS
from kaleido.model.config import Compatibility, LossConfig
from kaleido.model.contrastive import own_columns
from kaleido.model.tensors import Batch, Tensor

CROSS_MODAL_TASKS = ("mlm", "grey", "blank")
"""Tasks whose answer is found in the other modality, and so not in a mismatched pair of text and photo."""


def item_weights(task: str, batch: Batch, compatibility: Compatibility) -> Tensor:
    """Returns the weight of each item of a task, float32 [B, n], from the labels alone."""
    if task == "mlm":
        weights = ops.cast(batch["mlm_weights"], "float32")
    elif task in RECONSTRUCTION_TASKS:
        weights = ops.ones_like(batch[f"{task}_positions"], dtype="float32")
    elif task == CONTRASTIVE:
        weights = ops.ones((ops.shape(batch["token_ids"])[0], 2), "float32")
    elif task == "itm" and "itm_draws" in batch:
        weights = ops.ones((ops.shape(batch["token_ids"])[0], 3), "float32")
    else:
        weights = ops.ones_like(batch[f"{task}_label"], dtype="float32")[:, None]
    if task in CROSS_MODAL_TASKS and not compatibility.losses_on_mismatched_pairs:
        weights = weights * ops.cast(batch["paired"], "float32")[:, None]
    return weights


def item_losses(task: str, logits: Tensor, batch: Batch, compatibility: Compatibility) -> Tensor:
    """Returns the loss of each item, float32 [B, n]: cross-entropy or Kullback-Leibler divergence in nats."""
    logits = ops.cast(logits, "float32")
    if task in RECONSTRUCTION_TASKS:
        joint = bool(task == "grey" and compatibility.joint_grey_softmax)
        return _divergence(ops.cast(batch[f"{task}_targets"], "float32"), logits, joint)
    labels, logits = _labelled(task, logits, batch)
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def item_hits(task: str, logits: Tensor, batch: Batch) -> Tensor:
    """Returns 1 where the likeliest class is the right one, float32 [B, n]; for classification tasks."""
    labels, logits = _labelled(task, logits, batch)
    return ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), labels), "float32")


def total_loss(
    logits: Mapping[str, Tensor],
    batch: Batch,
    config: LossConfig,
    compatibility: Compatibility,
    weights: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Computes the weighted sum of the tasks' losses.

    Args:
        logits: Logits by task.
        batch: Batch with labels, see `docs/design.md`.
        config: Weights of the tasks; a task without logits is left out.
        compatibility: Differences of the original release to reproduce.
        weights: Total item weight by task, float32 scalars to divide by; this batch's own if None.

    Returns:
        The total and the loss of each task, scalars; the loss of a task without items is 0.
    """
    total: Tensor = 0.0
    losses: dict[str, Tensor] = {}
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


def _labelled(task: str, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns labels int32 [B, n] and logits [B, n, classes] of a classification task."""
    if task not in CLASSIFICATION_TASKS:
        raise ValueError(f"{task} has no classes")
    if task == "mlm":
        return batch["mlm_ids"], logits
    if task == CONTRASTIVE:
        return own_columns(logits), logits
    if task == "itm" and "itm_draws" in batch:
        label = batch["itm_label"]
        return ops.stack([label, ops.zeros_like(label), ops.zeros_like(label)], axis=1), logits
    return batch[f"{task}_label"][:, None], logits[:, None]


def _divergence(targets: Tensor, logits: Tensor, joint: bool) -> Tensor:
    """Computes KL(softmax(targets) || softmax(logits)) over the features, [B, n].

    With `joint`, the softmax of the targets is taken over all n patches of an example together.
    """
    if joint:
        shape = ops.shape(targets)
        log_targets = ops.reshape(ops.log_softmax(ops.reshape(targets, (shape[0], -1))), shape)
    else:
        log_targets = ops.log_softmax(targets)
    return ops.sum(ops.exp(log_targets) * (log_targets - ops.log_softmax(logits)), axis=-1)
