import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from compiling import functions
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_fixtures import training_config

from kaleido.app.engine import Interrupted
from kaleido.app.logs import read_metrics
from kaleido.app.model_folder import load_model, load_weights, read_model_config
from kaleido.app.step_tensorflow import StepTensorflow
from kaleido.app.steps import create_step
from kaleido.constants import CLASSIFICATION_TASKS, TASKS
from kaleido.errors import UserError
from kaleido.network_folder import is_network_folder
from kaleido.records.pipeline import Pipeline
from kaleido.tasks.pretraining.application import Pretraining

pytestmark = pytest.mark.usefixtures("uncompiled")


FEW_LOSSES = {"rotation": 0.0, "jigsaw": 0.0, "camouflage": 0.0, "grey": 0.0}
"""Leaves a task of each kind: of the photo and its text, of masked words, of masked patches."""


class Killed(BaseException):
    """What no handler catches, like a kill."""


def run(config):
    application = Pretraining(config)
    application.run_train_and_evaluate()
    return application


def arrays(application, step):
    return load_file(application.directory / "checkpoints" / f"step-{step:08d}" / "arrays.safetensors")


def assert_same_training(first, second, step):
    one, two = arrays(first, step), arrays(second, step)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], atol=2e-5, err_msg=name)


def points(application):
    """The logged points without what depends on the clock."""
    logged = read_metrics(application.directory / "metrics.jsonl")
    return [{tag: value for tag, value in point.items() if tag != "examples_per_second"} for point in logged]


LEARNING = {
    "train_config.steps": 50,
    "train_config.log_every": 10,
    "train_config.save_every": 25,
    "evaluate_config.every": 40,
}
"""A checkpoint lies between two points of the log, so that it holds an open window of theirs."""


@pytest.fixture(scope="module")
def whole(records, change, tmp_path_factory) -> Pretraining:
    """A compiled training from the first step to the last, in one go."""
    with functions(eagerly=False):
        return run(change(training_config(records, tmp_path_factory.mktemp("whole") / "run"), **LEARNING))


def test_a_run_leaves_everything_behind(whole):
    directory = whole.directory
    logged = points(whole)
    steps = [10, 20, 30, 40, 50]
    assert [point["step"] for point in logged] == steps
    assert all(f"loss/{task}" in logged[0] for task in TASKS)
    assert all(f"accuracy/{task}" in logged[0] for task in CLASSIFICATION_TASKS if task in TASKS)
    assert {"gradient_norm", "learning_rate", "loss/total"} <= set(logged[0])
    assert "validation/loss/total" in logged[3] and "validation/loss/total" not in logged[0]
    events = EventAccumulator(str(directory / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss/mlm")] == steps

    metrics = whole.run_evaluate()
    assert json.loads((directory / "metrics.json").read_text())["metrics"] == metrics
    np.testing.assert_allclose(metrics["loss/total"], logged[-1]["validation/loss/total"], rtol=1e-5)
    assert read_model_config(directory / "model")["architecture"]["feature_size"] == 12
    model = load_model(directory / "model").model
    for variable in model.weights:
        saved = arrays(whole, 50)[f"model/{variable.path}"]
        np.testing.assert_array_equal(np.asarray(variable), saved)


def test_training_learns(whole):
    losses = [point["loss/total"] for point in points(whole)]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.usefixtures("compiled")
def test_resumed_goes_on_exactly(whole, config, change, monkeypatch):
    config = change(config, **LEARNING)
    original, done = StepTensorflow.train, []

    def killed_after_32(self, batch):
        if len(done) == 32:
            raise Killed
        done.append(1)
        return original(self, batch)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(StepTensorflow, "train", killed_after_32)
        run(config)
    resumed = run(config)
    assert_same_training(whole, resumed, 50)
    for one, two in zip(points(whole), points(resumed), strict=True):
        assert one.keys() == two.keys()
        np.testing.assert_allclose(list(one.values()), list(two.values()), atol=1e-4)


@pytest.mark.usefixtures("compiled")
def test_accumulation_gives_the_same_updates(config, change, tmp_path):
    options = {"model_config.dropout": 0.0, "model_config.attention_dropout": 0.0, "evaluate_config.every": 100}
    plain = change(config, **options)
    parts = change(plain, **{"out": str(tmp_path / "parts"), "train_config.accumulation": 4})
    one, other = Pretraining(plain), Pretraining(parts)
    one.run_train()
    other.run_train()
    assert_same_training(one, other, 8)


def test_sigterm_saves_and_leaves(config, monkeypatch):
    application = Pretraining(config)
    original, done = StepTensorflow.train, []

    def stop_at_two(self, batch):
        done.append(1)
        if len(done) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch)

    monkeypatch.setattr(StepTensorflow, "train", stop_at_two)
    with pytest.raises(Interrupted) as interruption:
        application.run_train()
    assert interruption.value.signal_number == signal.SIGTERM
    assert arrays(application, 2)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_loss_that_is_not_finite_stops_and_names_step_task_and_checkpoint(config, monkeypatch):
    original = Pipeline.batch

    def poisoned(self, step):
        batch = original(self, step)
        if self.training and step == 4:
            batch["grey_targets"] = np.full_like(batch["grey_targets"], np.nan)
        return batch

    monkeypatch.setattr(Pipeline, "batch", poisoned)
    with pytest.raises(UserError, match=r"step 5: loss/grey, gradient_norm is not finite.*checkpoint is step 3"):
        Pretraining(config).run_train()


def test_damage_in_the_records_is_named_with_its_file(config, records, tmp_path, change):
    copy = tmp_path / "records"
    shutil.copytree(records, copy)
    (shard,) = copy.glob("*train.tfrecord*")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2 :: 997] = b"\xff" * len(data[len(data) // 2 :: 997])
    data[len(data) // 2 : len(data) // 2 + 2000] = np.full(1000, np.nan, np.float16).tobytes()
    shard.write_bytes(data)
    with pytest.raises(UserError, match=rf"{shard.name}: record \d+ is damaged; .* is not finite"):
        Pretraining(change(config, records=str(copy))).run_train()


def test_records_that_become_shorter_are_named_with_their_file(config, records, tmp_path, change, monkeypatch):
    copy = tmp_path / "records"
    shutil.copytree(records, copy)
    (shard,) = copy.glob("*train.tfrecord*")
    monkeypatch.setattr("kaleido.records.reader._EVERY", 0.0)
    original = StepTensorflow.train

    def cut(self, batch):
        # To its last page: what is mapped beyond the end of a file ends the process.
        os.truncate(shard, shard.stat().st_size - 1)
        return original(self, batch)

    monkeypatch.setattr(StepTensorflow, "train", cut)
    with pytest.raises(UserError, match=rf"{shard.name}: damaged \(\d+ bytes, \d+ before\)"):
        Pretraining(change(config, records=str(copy))).run_train()


def test_two_trainings_at_once_are_one_and_an_error(config, change):
    """The second is told who trains there, and the first is as if it had been alone."""
    config = change(config, **{"train_config.steps": 2})
    original, refused = Pretraining.batches, []

    def second(self, *arguments, **options):
        if not refused:
            refused.append("")
            with (
                ThreadPoolExecutor(1) as other,
                pytest.raises(UserError, match="another process is writing it") as error,
            ):
                other.submit(Pretraining(config).run).result()
            refused.append(str(error.value))
        return original(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pretraining, "batches", second)
        application = run(config)
    assert f"process {os.getpid()} " in refused[1]
    assert [point["step"] for point in points(application)] == [2]
    assert not list(application.directory.glob(".*"))


def test_another_training_in_the_same_folder_is_refused(config, change):
    config = change(config, **{"train_config.steps": 2})
    run(config)
    with pytest.raises(UserError, match=r"learning_rate \(0\.003\).*Received: 0\.5"):
        run(change(config, **{"train_config.optimizer_config.learning_rate": 0.5}))
    assert run(change(config, **{"preprocess_config.workers": 1})).model is not None


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("in_full", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_mixed_bfloat16_and_xla_train(config, change, in_full):
    options = {"train_config.precision": "mixed_bfloat16", "train_config.jit_compile": True, "train_config.steps": 2}
    if not in_full:  # XLA compiles for a minute what takes milliseconds
        options |= {"model_config.dropout": 0.0, "model_config.attention_dropout": 0.0}
        options["train_config.loss_config"] = change(config.train_config.loss_config, **FEW_LOSSES)
    application = Pretraining(change(config, **options))
    if in_full:
        application.run_train_and_evaluate()
    else:
        application.run_train()
    keras.config.set_dtype_policy("float32")
    assert np.isfinite([point["loss/total"] for point in points(application)]).all()
    assert {array.dtype for name, array in arrays(application, 2).items() if name.startswith("model/")} == {
        np.dtype("float32")
    }


def test_tasks_of_weight_zero_are_left_out(config, change):
    loss_config = change(config.train_config.loss_config, mlm=0.0, rotation=0.0)
    application = Pretraining(change(config, **{"train_config.loss_config": loss_config, "train_config.steps": 2}))
    application.run_train()
    assert application.model.tasks == ("itm", "jigsaw", "camouflage", "grey", "blank")
    assert "loss/mlm" not in points(application)[0]


def test_starting_from_a_saved_model(config, change, tmp_path, capsys):
    first = Pretraining(change(config, **{"train_config.steps": 1}))
    first.run_train()
    second = Pretraining(
        change(config, **{"out": str(tmp_path / "two"), "model_config.initial_weights": str(first.directory / "model")})
    )
    create_step(second, config.train_config, 8)
    for one, two in zip(first.model.weights, second.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    losses = change(config.train_config.loss_config, grey=0.0, itc=1.0)
    options = {"out": str(tmp_path / "heads"), "model_config.initial_weights": str(first.directory / "model")}
    options |= {"train_config.loss_config": losses, "model_config.contrastive_reads": "embeddings"}
    other = Pretraining(change(config, **options))
    create_step(other, config.train_config, 8)
    assert "lacks the heads itc, which start from random weights\n" in capsys.readouterr().out
    other.export_model(tmp_path / "exported")
    saved = (tmp_path / "exported" / "config.json").read_text()
    assert str(tmp_path) not in saved
    assert f'"initial_weights": "{first.directory.name}/model"' in saved
    options |= {"model_config.initial_weights": str(tmp_path / "exported"), "model_config.contrastive_reads": "outputs"}
    with pytest.raises(UserError, match=r"contrastive_reads is embeddings\. Received: outputs"):
        Pretraining(change(config, **options)).build_model()
    known = {variable.path: np.asarray(variable) for variable in first.model.weights}
    for variable in other.model.weights:
        assert variable.path in known or "/itc/" in variable.path
        np.testing.assert_array_equal(np.asarray(variable), known.get(variable.path, np.asarray(variable)))
    wider = Pretraining(change(config, **{"out": str(tmp_path / "three"), "model_config.hidden_size": 32}))
    create_step(wider, config.train_config, 8)
    with pytest.raises(UserError, match="hidden_size is 16"):
        load_weights(wider.model, first.directory / "model")


def test_a_split_without_records_is_refused_before_the_first_step(config, change, tmp_path):
    with pytest.raises(UserError, match=r"to be evaluated on test products.*no test records here.*--mode train"):
        Pretraining(change(config, **{"evaluate_config.split": "test"})).run_train_and_evaluate()
    assert not list((tmp_path / "run").rglob("*.safetensors")) and not (tmp_path / "run" / "metrics.jsonl").exists()
    Pretraining(change(config, **{"evaluate_config.split": "test", "train_config.steps": 1})).run_train()


def test_the_model_is_saved_before_its_last_evaluation(config, change, tmp_path, monkeypatch):
    def fail(application, step, stop):
        raise RuntimeError("power cut")

    monkeypatch.setattr(Pretraining, "_evaluate", fail)
    application = Pretraining(change(config, **{"train_config.steps": 2}))
    with pytest.raises(RuntimeError, match="power cut"):
        application.run_train_and_evaluate()
    assert is_network_folder(tmp_path / "run" / "model")
