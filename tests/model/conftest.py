import numpy as np
import pytest

from kaleido.constants import LEVELS, PATCH_COUNTS
from kaleido.model.config import ModelConfig


@pytest.fixture
def small_config():
    return ModelConfig(
        vocab_size=50,
        feature_size=12,
        num_layers=2,
        hidden_size=16,
        num_heads=4,
        intermediate_size=32,
        dropout=0.0,
        attention_dropout=0.0,
    )


def random_batch(rows=4, length=16, vocab_size=50, feature_size=12, masked=3, seed=0):
    """Makes a random batch as docs/design.md defines it; the last row is a mismatched pair."""
    random = np.random.default_rng(seed)
    integers = lambda high, *shape: random.integers(0, high, shape).astype(np.int32)  # noqa: E731
    features = lambda *shape: random.normal(size=shape).astype(np.float16)  # noqa: E731
    lengths = random.integers(length // 2, length + 1, rows)
    batch = {
        "token_ids": integers(vocab_size, rows, length),
        "token_mask": (np.arange(length) < lengths[:, None]).astype(np.int32),
        "positions": random.random((rows, 55, 5)).astype(np.float32),
        "mlm_positions": integers(length // 2, rows, masked),
        "mlm_ids": integers(vocab_size, rows, masked),
        "mlm_weights": (np.arange(masked) < random.integers(1, masked + 1, rows)[:, None]).astype(np.float32),
        "itm_label": integers(2, rows),
        "rotation_label": integers(4, rows),
        "jigsaw_label": integers(24, rows),
        "camouflage_label": integers(9, rows),
        "grey_positions": integers(16, rows, 2),
        "grey_targets": features(rows, 2, feature_size),
        "blank_positions": integers(25, rows, 3),
        "blank_targets": features(rows, 3, feature_size),
        "paired": np.ones(rows, np.float32),
    }
    batch["paired"][-1] = 0
    for level, count in zip(LEVELS, PATCH_COUNTS):
        batch[f"level{level}"] = features(rows, count, feature_size)
    return batch


@pytest.fixture
def batch():
    return random_batch()
