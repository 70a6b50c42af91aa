"""The twin in PyTorch has the model's sizes; tested where PyTorch is installed."""

import numpy as np
import pytest

from kaleido.app.config import ModelSection
from kaleido.bench.training import RandomPretraining, random_batch

torch = pytest.importorskip("torch")

CONFIG = ModelSection("tiny", 1, 16, 2, 32, dropout=0.0, attention_dropout=0.0).resolve(50, 12)


def test_it_is_timed():
    from kaleido.bench.torch_twin import benchmark_twin

    values = benchmark_twin(CONFIG, 4, "mixed_bfloat16", text_length=8, seconds=0.05)
    assert values["examples_per_second"] == pytest.approx(4 * 1000 / values["step_ms"])
    assert min(values.values()) > 0


def test_it_learns_and_has_as_many_parameters():
    from kaleido.bench.torch_twin import Twin

    torch.manual_seed(0)
    twin = Twin(CONFIG)
    batch = {name: torch.from_numpy(values) for name, values in random_batch(4, 8, 50, 12, 3).items()}
    optimizer = torch.optim.AdamW(twin.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = twin(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < 0.6 * losses[0]
    ours = sum(int(np.prod(variable.shape)) for variable in RandomPretraining(CONFIG).build_model().trainable_variables)
    # Ours has the segments of a second text and of levels that no record has.
    assert sum(parameter.numel() for parameter in twin.parameters()) == pytest.approx(ours, rel=0.1)
