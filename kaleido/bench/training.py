"""Measures how fast a training step is."""

import itertools
import time
from collections.abc import Sequence

import numpy as np

from kaleido.app.config import ModelSection, TrainConfig
from kaleido.app.step import Step
from kaleido.app.steps import create_step
from kaleido.constants import CLASSES, LEVEL_OF_TASK, LEVELS, PATCH_COUNTS, PATCHES
from kaleido.model.config import LossConfig, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.tensors import Batch
from kaleido.tasks.pretraining.objectives import PretrainingTasks


def benchmark_step(
    model: ModelSection,
    train: TrainConfig,
    vocab_size: int,
    feature_size: int,
    text_length: int,
    seconds: float,
    masked_words: int = 10,
) -> dict[str, float]:
    """Times training steps on one random batch, reading left out.

    Args:
        model: Architecture.
        train: Batch size, precision, XLA, accumulation.
        vocab_size: Number of tokens.
        feature_size: Length D of a patch feature.
        text_length: Text positions T.
        seconds: Time to measure for, after two uncounted steps.
        masked_words: Masked slots M of a text.

    Returns:
        `examples_per_second`, `step_ms`, `flop_per_example` (forward and backward, matrix products alone) and
        `bytes_per_example` (see `moved_bytes`).
    """
    application = RandomPretraining(model.resolve(vocab_size, feature_size))
    step = create_step(application, train, total_steps=1_000_000)
    batch = random_batch(train.batch_size, text_length, vocab_size, feature_size, masked_words)
    for _ in range(2):
        step.fetch(step.train(batch))
    elapsed = step_seconds(step, [batch], seconds=seconds)
    variables = application.model.trainable_variables
    parameters = sum(int(np.prod(variable.shape)) for variable in variables)
    activation_bytes = 2 if "16" in train.precision else 4
    return {
        "examples_per_second": train.batch_size / elapsed,
        "step_ms": 1000 * elapsed,
        "flop_per_example": 3 * forward_flop(application.model_config, text_length, masked_words),
        "bytes_per_example": moved_bytes(
            application.model_config, parameters, text_length, train.batch_size, activation_bytes
        ),
    }


def step_seconds(step: Step, batches: Sequence[Batch], steps: int = 0, seconds: float = 0.0) -> float:
    """Returns the mean time of a compiled step on batches in turn, over at least so many steps and so much time."""
    begun, done, turn = time.monotonic(), 0, itertools.cycle(batches)
    handle = step.train(next(turn))
    # Fetched one step late, so that a device is not kept waiting for the next batch.
    while (done := done + 1) < steps or time.monotonic() - begun < seconds:
        following = step.train(next(turn))
        step.fetch(handle)
        handle = following
    step.fetch(handle)
    return (time.monotonic() - begun) / done


def moved_bytes(
    config: ModelConfig, parameters: int, text_length: int, batch_size: int, activation_bytes: int
) -> float:
    """Counts the bytes that a training step must read or write for each example, at least.

    For each parameter, the weight and Adam's two slots are read and written once and the gradient is written and read
    once, 4 bytes each. For each encoder layer, the inputs of its six products are written in the forward pass and read
    in the backward pass: the input, query, key, value, attention probabilities, mixed values, and the input of either
    dense layer. Embeddings, heads, LayerNorms, dropout and the reading of the weights by the products come on top.
    """
    length, hidden = text_length + PATCHES, config.hidden_size
    a_position = 6 * hidden + config.intermediate_size + config.num_heads * length
    activations = 2 * activation_bytes * config.num_layers * length * a_position
    return 8 * 4 * parameters / batch_size + activations


def forward_flop(config: ModelConfig, text_length: int, masked_words: int) -> float:
    """Counts the floating-point operations of the matrix products of one example's forward pass."""
    length, hidden = text_length + PATCHES, config.hidden_size
    per_token = 8 * hidden**2 + 4 * hidden * config.intermediate_size + 4 * length * hidden
    patches = 2 * PATCHES * (config.feature_size + 5) * hidden
    words = 2 * masked_words * hidden * (hidden + config.vocab_size)
    reconstruction = 2 * (2 + 3) * hidden * config.feature_size
    return config.num_layers * length * per_token + patches + words + reconstruction + 2 * hidden**2


def random_batch(
    rows: int, text_length: int, vocab_size: int, feature_size: int, masked_words: int
) -> dict[str, np.ndarray]:
    """Draws a batch as `docs/design.md` defines it."""
    random = np.random.default_rng(0)

    def integers(high: int, *shape: int) -> np.ndarray:
        return random.integers(0, high, shape).astype(np.int32)

    batch = {
        "token_ids": integers(vocab_size, rows, text_length),
        "token_mask": np.ones((rows, text_length), np.int32),
        "positions": random.random((rows, PATCHES, 5), np.float32),
        "mlm_positions": integers(text_length, rows, masked_words),
        "mlm_ids": integers(vocab_size, rows, masked_words),
        "mlm_weights": np.ones((rows, masked_words), np.float32),
        "paired": (np.arange(rows) % 2).astype(np.float32),
    }
    for level, count in zip(LEVELS, PATCH_COUNTS):
        batch[f"level{level}"] = random.random((rows, count, feature_size), np.float32).astype(np.float16)
    for task, classes in CLASSES.items():
        batch[f"{task}_label"] = integers(classes, rows)
    for task, masked in (("grey", 2), ("blank", 3)):
        batch[f"{task}_positions"] = integers(PATCH_COUNTS[LEVELS.index(LEVEL_OF_TASK[task])], rows, masked)
        batch[f"{task}_targets"] = random.random((rows, masked, feature_size), np.float32).astype(np.float16)
    return batch


class RandomPretraining(PretrainingTasks):
    """Pre-training of a random model without records."""

    def __init__(self, model_config: ModelConfig):
        super().__init__(LossConfig(), model_config.compatibility)
        self.model_config = model_config

    def build_model(self):
        self.model = KaleidoBert(self.model_config, self.tasks)
        return self.model
