from dataclasses import replace

import pytest

from kaleido.app.config import ModelSection, TrainConfig
from kaleido.bench.training import benchmark_step, forward_flop, moved_bytes
from kaleido.model.config import ModelConfig

BASE = ModelConfig.of_size("base")


def test_step_is_timed_on_every_task():
    model = ModelSection("tiny", num_layers=1, hidden_size=16, num_heads=2, intermediate_size=32)
    values = benchmark_step(model, TrainConfig(batch_size=4), 50, 12, text_length=8, seconds=0.05)
    assert values["examples_per_second"] == pytest.approx(4 * 1000 / values["step_ms"])
    assert min(values.values()) > 0


def test_flop_grow_with_the_parameters_that_each_token_meets():
    """An encoder layer multiplies each token with 12 H^2 weights, two operations each; attention comes on top."""
    one, two = (forward_flop(replace(BASE, num_layers=n), 9, 0) for n in (1, 2))
    weights, length = 12 * 768**2, 64
    assert two - one == length * (2 * weights + 4 * length * 768)


def test_moved_bytes_share_the_parameters_and_not_the_activations():
    small, large = (moved_bytes(BASE, 1_000_000, 9, batch_size, 4) for batch_size in (1, 2))
    assert small - large == 32 * 500_000
    assert large - 32 * 500_000 == 2 * moved_bytes(BASE, 0, 9, 1, 2)
