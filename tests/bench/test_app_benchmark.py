from dataclasses import replace

import pytest

from kaleido.app.config import ModelSection, TrainConfig
from kaleido.bench import loop
from kaleido.bench.captioning import benchmark_captioning, caption_flop
from kaleido.bench.loop import benchmark_loop
from kaleido.bench.retrieval import benchmark_scoring, scoring_flop
from kaleido.bench.training import benchmark_step, forward_flop, moved_bytes
from kaleido.model.config import ModelConfig

pytestmark = pytest.mark.usefixtures("uncompiled")

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


TINY = ModelConfig(50, 12, num_layers=2, hidden_size=16, num_heads=2, intermediate_size=32)


def test_scoring_embedding_and_classification_are_timed():
    values = benchmark_scoring(TINY, text_length=12, mean_tokens=4, batch_size=4, seconds=0.04)
    assert min(values.values()) > 0
    assert values["flop_per_example"] < values["longest_flop_per_example"] < values["embedding_flop_per_example"]
    assert values["longest_flop_per_example"] == scoring_flop(TINY, 12)


def test_greedy_and_beam_captioning_are_timed():
    values = benchmark_captioning(TINY, batch_size=4, tokens=5, seconds=0.02)
    assert min(values.values()) > 0
    # Four beams read four times the tokens, and the patches once.
    one, two, four = (caption_flop(TINY, 5, beams) for beams in (1, 2, 4))
    assert values["beam_flop_per_example"] == four == pytest.approx(one + 3 * (two - one))


@pytest.mark.usefixtures("compiled")  # the loop takes many steps
@pytest.mark.parametrize("given", [False, True])
def test_the_loop_is_timed_beside_its_step(given, synthetic, tokenizer, monkeypatch):
    train = TrainConfig(batch_size=8, steps=6, log_every=2)
    options = {"records": synthetic} if given else {"photos": 40}
    monkeypatch.setattr(loop, "load_tokenizer", lambda file: tokenizer)
    values = benchmark_loop(ModelSection("tiny", 1, 16, 2, 32), train, 12, text_length=16, workers=1, **options)
    assert values["examples_per_second"] > 0
    share = values["examples_per_second"] / values["step_examples_per_second"]
    assert abs(values["share_of_step"] - share) < 1e-6
