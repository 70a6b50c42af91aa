"""Features on the device: the same batches, bit for bit, and the same training."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaleido.app.features import hold_features, materialise
from kaleido.app.logs import read_metrics
from kaleido.backend import keras, ops
from kaleido.bench.synthetic import write_synthetic
from kaleido.constants import TASKS
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords
from kaleido.tasks.pretraining.application import Pretraining

ROOT = Path(__file__).parents[2]


class Tokens:
    vocab_size, pad_id, unk_id, cls_id, sep_id, mask_id, special_ids = 200, 0, 1, 2, 3, 4, range(5)


def check(directory: Path, step, compile, place=lambda batch: batch) -> None:
    """Compares batches of the device with those of the host, for training and evaluation, with all tasks and none."""
    records = PhotoRecords.open(directory, "train")
    for tasks in (TASKS, (), ("itm", "camouflage"), ("grey",), ("blank", "mlm")):
        for training in (True, False):
            config = PipelineConfig(features="device")
            arguments = records, config, Tokens, 16, 3, training, tasks
            host, device = Pipeline(*arguments), Pipeline(*arguments)
            hold_features(step, "train", device)
            assert step.tables["train"]
            materialised = compile(materialise)
            for number in range(3):
                found = materialised({**place(device.batch(number)), **step.tables["train"]})
                wanted = host.batch(number)
                assert found.keys() == wanted.keys()
                for name, values in wanted.items():
                    value = ops.convert_to_numpy(found[name])
                    assert value.dtype == values.dtype
                    assert value.tobytes() == values.tobytes(), name


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("records") / "records"
    write_synthetic(directory, 6, {"train": 50}, vocabulary_size=200, shard_photos=16)
    return directory


def test_batches_are_the_same_bits_on_tensorflow(directory):
    import tensorflow as tf
    from test_step_jax import create

    assert keras.backend.backend() == "tensorflow"
    check(directory, create(), tf.function, lambda batch: {n: tf.convert_to_tensor(v) for n, v in batch.items()})


ON_JAX = """
import sys

import jax
from test_device_features import check
from test_step_jax import create

from kaleido.app import features

assert jax.device_count() == 2
step = create()
check(sys.argv[1], step, jax.jit)
step = create()
# As on an accelerator that cannot hold them alone.
step.free_memory = lambda: 50 * 74 * 6 * 2
check(sys.argv[1], step, jax.jit)
table = step.tables["train"]["features"]
assert table.addressable_shards[0].data.shape[0] * 2 == table.shape[0]
"""


@pytest.mark.slow
def test_batches_are_the_same_bits_on_two_devices_of_jax(directory):
    pytest.importorskip("jax")
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "app")))
    flags = "--xla_force_host_platform_device_count=2"
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    done = subprocess.run([sys.executable, "-c", ON_JAX, directory], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "spread over all" in done.stdout + done.stderr


@pytest.mark.usefixtures("uncompiled")
def test_a_training_is_the_same(config, change, capsys):
    """With an evaluation between its steps, whose records are others."""
    curves = {}
    for features in ("host", "device"):
        options = {"preprocess_config.features": features, "out": f"{config.out}-{features}", "train_config.steps": 3}
        options |= {"train_config.log_every": 1, "evaluate_config.every": 2}
        application = Pretraining(change(config, **options))
        application.run_train_and_evaluate()
        curves[features] = read_metrics(application.directory / "metrics.jsonl")
    assert capsys.readouterr().out.count("lie on the device") == 2
    assert len(curves["host"]) == 3
    for one, other in zip(curves["host"], curves["device"], strict=True):
        assert one.keys() == other.keys()
        for tag in one.keys() - {"examples_per_second"}:
            np.testing.assert_allclose(one[tag], other[tag], rtol=1e-5, atol=1e-5, err_msg=tag)


def test_what_was_chosen_is_told(directory, capsys):
    from test_step_jax import create

    step = create()
    stream = Pipeline(PhotoRecords.open(directory, "train"), PipelineConfig(), Tokens, 8)
    hold_features(step, "train", stream)
    assert not stream.on_device and not capsys.readouterr().out
    step.table_records, step.free_memory = {}, lambda: 50 * 74 * 6 * 2
    hold_features(step, "train", stream)
    assert not stream.on_device
    assert "features of train stay on the host: 0.0 GB a device, of which 0.0 GB are free" in capsys.readouterr().out
    step.table_records, step.free_memory = {}, lambda: 10**9
    hold_features(step, "train", stream)
    assert stream.on_device
    assert "features of train lie on the device: 0.0 GB of 1.0 GB free" in capsys.readouterr().out
    step.table_records, step.table_devices = {}, 0
    stream.config = replace(stream.config, features="device")
    with pytest.raises(UserError, match=r"preprocess_config\.features cannot be device: several workers"):
        hold_features(step, "train", stream)
