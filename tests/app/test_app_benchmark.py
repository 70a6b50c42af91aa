import pytest

from kaleido.app.benchmark import benchmark_step, forward_flop
from kaleido.app.config import ModelSection, TrainConfig
from kaleido.model.config import ModelConfig


def test_step_is_timed_on_every_task():
    model = ModelSection("tiny", num_layers=1, hidden_size=16, num_heads=2, intermediate_size=32)
    values = benchmark_step(model, TrainConfig(batch_size=4), 50, 12, text_length=8, seconds=0.05)
    assert values["examples_per_second"] > 0
    expected = values["examples_per_second"] * values["gflop_per_example"]
    assert values["gflop_per_second"] == pytest.approx(expected)


def test_flop_grow_with_the_parameters_that_each_token_meets():
    """An encoder layer multiplies each token with 12 H^2 weights, two operations each; attention comes on top."""
    one, two = (forward_flop(ModelConfig.of_size("base", num_layers=n), 9, 0) for n in (1, 2))
    weights, length = 12 * 768**2, 64
    assert two - one == length * (2 * weights + 4 * length * 768)
