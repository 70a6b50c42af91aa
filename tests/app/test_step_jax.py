"""The JAX step beside the TensorFlow step; JAX runs in processes of its own, where TensorFlow is not installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaleido import configuration
from kaleido.app.config import ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.logs import read_metrics
from kaleido.app.step import check_batch_size
from kaleido.app.steps import create_step
from kaleido.bench.training import RandomPretraining, random_batch
from kaleido.errors import UserError
from kaleido.tasks.pretraining.application import Pretraining

ROOT = Path(__file__).parents[2]
MODEL = ModelSection("tiny", 1, 16, 2, 32, dropout=0.0, attention_dropout=0.0)
OPTIMIZER = OptimizerConfig(learning_rate=3e-3)
STEPS = 20

TRAIN_ON_JAX = """
import sys

import jax
import numpy as np

assert jax.device_count() == 2
from test_step_jax import STEPS, train
from kaleido.app.config import DistributionConfig

folder = sys.argv[1]
start = dict(np.load(f"{folder}/start.npz"))
results = {
    "one": train(start, STEPS, distribution_config=DistributionConfig("one")),
    "two": train(start, STEPS, accumulation=2),
    "bfloat16": train(start, STEPS, precision="mixed_bfloat16"),
}
np.savez(f"{folder}/results.npz", **results)
assert "tensorflow" not in sys.modules
"""


def batch():
    return random_batch(8, 8, 50, 12, 3)


def create(**changes):
    config = TrainConfig(batch_size=8, optimizer_config=OPTIMIZER, **changes)
    return create_step(RandomPretraining(MODEL.resolve(50, 12)), config, STEPS)


def train(arrays, steps, **changes):
    """Every step's values, then the sums of an evaluation and of one whose rows do not divide by two."""
    step = create(**changes)
    step.load_arrays(arrays)
    values = [step.fetch(step.train(batch())) for _ in range(steps)]
    odd = {name: array[:7] for name, array in batch().items()}
    return np.concatenate([np.ravel(values), step.evaluate(batch()).ravel(), step.evaluate(odd).ravel()])


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory):
    """Environment of a Python that has everything installed but TensorFlow; to be run with -S."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("site")
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if entry.name != "tensorflow" and not entry.name.startswith("tensorflow-") and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "app", folder)))
    return {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax"}


@pytest.mark.slow
def test_jax_trains_like_tensorflow(without_tensorflow, tmp_path):
    step = create()
    start = step.arrays()
    np.savez(tmp_path / "start.npz", **start)
    expected = train(start, STEPS)

    environment = {**without_tensorflow, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-S", "-c", TRAIN_ON_JAX, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(tmp_path / "results.npz")
    for name in ("one", "two"):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-4, err_msg=name)
    values = len(step.application.metric_tags) + 1
    losses = {name: found[name][: STEPS * values].reshape(STEPS, values)[:, :7] for name in found}
    np.testing.assert_allclose(losses["bfloat16"], losses["one"], atol=0.1)
    assert losses["bfloat16"][-1].sum() < losses["bfloat16"][0].sum() - 0.5


@pytest.mark.slow
def test_a_run_begun_on_tensorflow_goes_on_on_jax(without_tensorflow, config, change):
    config = change(
        config,
        **{
            "model_config.dropout": 0.0,
            "model_config.attention_dropout": 0.0,
            "train_config.steps": STEPS,
            "train_config.log_every": 1,
            "train_config.save_every": 10,
            "train_config.keep_checkpoints": STEPS,
        },
    )
    application = Pretraining(config)
    expected = application.run_train_and_evaluate()
    log = application.directory / "metrics.jsonl"
    whole = read_metrics(log)
    for folder in (application.directory / "checkpoints").glob("step-*"):
        if folder.name > "step-00000010":
            shutil.rmtree(folder)
    shutil.rmtree(application.directory / "model")
    application.metrics_path.unlink()
    log.write_text("".join(f"{json.dumps(point)}\n" for point in whole[:13]))

    command = [
        sys.executable,
        "-S",
        "-m",
        "kaleido",
        "pretrain",
        "--config",
        str(application.directory / "config.yaml"),
    ]
    done = subprocess.run(command, env=without_tensorflow, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "going on from step 10" in done.stdout + done.stderr
    for one, other in zip(whole, read_metrics(log), strict=True):
        assert one.keys() == other.keys()
        for tag in one.keys() - {"examples_per_second"}:
            np.testing.assert_allclose(one[tag], other[tag], rtol=1e-4, atol=1e-4, err_msg=tag)
    metrics = json.loads(application.metrics_path.read_text())["metrics"]
    assert metrics.keys() == expected.keys()
    # The run's configuration has the masking that `auto` was resolved to.
    resolved = replace(config, preprocess_config=replace(config.preprocess_config, masking="random"))
    assert configuration.load(type(config), application.directory / "config.yaml") == resolved
    Pretraining(config).run_evaluate()


def test_a_batch_that_cannot_be_cut_over_the_devices_is_refused():
    config = TrainConfig(batch_size=8, accumulation=4)
    check_batch_size(config, 2)
    with pytest.raises(
        UserError, match=r"batch_size must be a multiple of 3 devices times accumulation 4\. Received: 8"
    ):
        check_batch_size(config, 3)
