import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax, rel_entr, softmax

from kaleido.constants import CLASSES, TASKS
from kaleido.model.config import Compatibility, LossConfig
from kaleido.model.losses import item_hits, item_losses, item_weights, total_loss

DEFAULTS = Compatibility()


@pytest.fixture
def logits(batch):
    random = np.random.default_rng(5)
    shapes = {task: (4, classes) for task, classes in CLASSES.items()}
    shapes |= {"mlm": (4, 3, 50), "grey": (4, 2, 12), "blank": (4, 3, 12)}
    return {task: random.normal(size=shapes[task]).astype(np.float32) for task in TASKS}


def numpy_loss(task, logits, batch, paired):
    """Computes each task's mean loss from the paper's definition, in NumPy."""
    if task in ("grey", "blank"):
        targets = softmax(batch[f"{task}_targets"].astype(np.float64), -1)
        items = rel_entr(targets, softmax(logits[task].astype(np.float64), -1)).sum(-1)
        weights = np.ones_like(items) * paired[:, None]
    elif task == "mlm":
        items = -np.take_along_axis(log_softmax(logits[task], -1), batch["mlm_ids"][:, :, None], -1)[..., 0]
        weights = batch["mlm_weights"] * paired[:, None]
    else:
        items = -np.take_along_axis(log_softmax(logits[task], -1), batch[f"{task}_label"][:, None], -1)[:, 0]
        weights = np.ones_like(items)
    return (items * weights).sum() / weights.sum()


def test_losses_follow_the_paper(logits, batch):
    total, losses = total_loss(logits, batch, LossConfig(), DEFAULTS)
    for task in TASKS:
        np.testing.assert_allclose(losses[task], numpy_loss(task, logits, batch, batch["paired"]), rtol=1e-5)
    np.testing.assert_allclose(total, sum(float(loss) for loss in losses.values()), rtol=1e-6)


def test_weights_of_tasks(logits, batch):
    total, losses = total_loss(logits, batch, LossConfig(itm=2.0, mlm=0.0), DEFAULTS)
    assert "mlm" not in losses
    np.testing.assert_allclose(total, sum(losses.values()) + losses["itm"], rtol=1e-6)


def test_mismatched_pairs_count_only_on_request(logits, batch):
    quirk = Compatibility(losses_on_mismatched_pairs=True)
    for task in TASKS:
        default, everywhere = (ops.convert_to_numpy(item_weights(task, batch, c)) for c in (DEFAULTS, quirk))
        np.testing.assert_array_equal(default[:3], everywhere[:3])
        assert everywhere[3].sum() > 0
        assert (default[3].sum() == 0) == (task in ("mlm", "grey", "blank")), task


def test_divergence_is_zero_at_the_target_and_joint_softmax_can_be_negative(batch):
    exact = item_losses("grey", batch["grey_targets"], batch, DEFAULTS)
    np.testing.assert_allclose(ops.convert_to_numpy(exact), 0, atol=1e-5)
    joint = item_losses("grey", batch["grey_targets"], batch, Compatibility(joint_grey_softmax=True))
    assert ops.convert_to_numpy(joint).sum(axis=1).mean() < 0
    blank = item_losses("blank", batch["blank_targets"], batch, Compatibility(joint_grey_softmax=True))
    np.testing.assert_allclose(ops.convert_to_numpy(blank), 0, atol=1e-5)


def test_parts_of_a_batch_add_up_to_the_whole(logits, batch):
    """Devices and accumulation rely on it: divided by the whole batch's weights, the losses of parts add up."""
    whole, _ = total_loss(logits, batch, LossConfig(), DEFAULTS)
    weights = {task: ops.sum(item_weights(task, batch, DEFAULTS)) for task in TASKS}
    parts = []
    for rows in (slice(0, 1), slice(1, 4)):
        part_logits = {task: values[rows] for task, values in logits.items()}
        part_batch = {key: values[rows] for key, values in batch.items()}
        parts.append(float(total_loss(part_logits, part_batch, LossConfig(), DEFAULTS, weights)[0]))
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-6)


def test_hits(logits, batch):
    for task in ("mlm", *CLASSES):
        labels = batch["mlm_ids"] if task == "mlm" else batch[f"{task}_label"][:, None]
        best = logits[task].argmax(-1).reshape(labels.shape)
        np.testing.assert_array_equal(ops.convert_to_numpy(item_hits(task, logits[task], batch)), best == labels)
    with pytest.raises(ValueError, match="grey"):
        item_hits("grey", logits["grey"], batch)


def test_nothing_to_count_is_zero_and_not_nan(logits, batch):
    empty = {**batch, "paired": np.zeros(4, np.float32)}
    _, losses = total_loss(logits, empty, LossConfig(), DEFAULTS)
    assert float(losses["mlm"]) == 0.0
