"""Tests that every task has to pass: a test of a task is one subclass of `TaskHarness`."""

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import yaml

import kaleido
from kaleido import configuration
from kaleido.app.application import EVALUATE
from kaleido.app.checkpoints import CheckpointStore
from kaleido.app.model_folder import SavedModel, load_model
from kaleido.app.records_application import RecordsApplication
from kaleido.app.registry import find_task, finetuning_tasks
from kaleido.app.result import Result
from kaleido.app.signatures import PHOTO
from kaleido.backend import keras
from kaleido.errors import UserError
from kaleido.records.config import NO_TEXT
from kaleido.tasks.pretraining.application import Pretraining

STEPS, MIDDLE, ROWS = 2, 1, 4
TINY = {
    "seed": 3,
    "preprocess_config.max_text_length": 24,
    "model_config.size": "tiny",
    "model_config.num_layers": 1,
    "model_config.hidden_size": 16,
    "model_config.num_heads": 2,
    "model_config.intermediate_size": 32,
    "train_config.batch_size": 8,
    "train_config.steps": STEPS,
    "train_config.log_every": 1,
    "train_config.save_every": MIDDLE,
    "train_config.keep_checkpoints": STEPS,
    "train_config.tensorboard": False,
    "train_config.optimizer_config.learning_rate": 1e-2,
    "evaluate_config.batch_size": 12,
    "evaluate_config.every": STEPS,
}
"""A training of about a second; dropout is on, and the last batch of an evaluation is smaller."""


class Trained(NamedTuple):
    """A finished training.

    Attributes:
        config: Its configuration.
        application: What trained it.
        result: What `run` gave.
    """

    config: Any
    application: RecordsApplication
    result: Result

    @property
    def folder(self) -> Path:
        return Path(self.config.out)

    @property
    def model(self) -> Path:
        return self.folder / "model"


def start_model(records: Path) -> Path:
    """Saves a pre-trained model beside records, once; drawn weights are as good to start from as trained ones."""
    directory = records.with_name("start")
    if not directory.exists():
        values = {**TINY, "seed": 7, "records": str(records), "out": str(records.with_name("pretraining"))}
        application = Pretraining(configuration.build(Pretraining.config_class(), values))
        application.build_model()
        application.export_model(directory)
    return directory


class TaskHarness:
    """Trains a task once for all its tests.

    Attributes:
        task: Registered name of the task.
        options: Options of the configuration besides `TINY`, by dotted key.
        starts: Whether it is fine-tuned from a pre-trained model.
        predicts: Whether `predict` answers with its model.
    """

    pytestmark = pytest.mark.usefixtures("uncompiled")

    task: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    starts: ClassVar[bool] = True
    predicts: ClassVar[bool] = True

    @property
    def application(self) -> type[RecordsApplication]:
        """The class that the registry knows the task by."""
        return find_task(self.task).application

    def config(self, records: Path, out: Path, **changes: Any) -> Any:
        """Makes the configuration of a training."""
        values = {**TINY, "records": str(records), "out": str(out), **self.options, **changes}
        if self.application.fine_tunes:
            values["task"] = self.task
        return configuration.build(self.application.config_class(), values)

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory) -> Path:
        """A folder of the class."""
        return tmp_path_factory.mktemp(self.task)

    @pytest.fixture(scope="class")
    def trained(self, records, folder) -> Trained:
        """A training from the first step to the last, in one go."""
        changes = {}
        if self.application.fine_tunes and self.starts:
            changes["model"] = str(start_model(records))
        config = self.config(records, folder / "run", **changes)
        application = self.application(config)
        return Trained(config, application, application.run())

    @pytest.fixture(scope="class")
    def model(self, trained) -> kaleido.Model:
        """The saved model, loaded once."""
        return kaleido.load(trained.model)

    @pytest.fixture(scope="class")
    def saved(self, trained) -> SavedModel:
        """The same with what it was loaded from, for the functions of `kaleido.app`."""
        return load_model(trained.model)

    @pytest.fixture(scope="class")
    def batch(self, trained) -> dict[str, np.ndarray]:
        """The first rows of the evaluated split, as the task reads them."""
        whole = trained.application.batches(trained.config.evaluate_config.split).batch(0)
        return {name: values[:ROWS] for name, values in whole.items()}

    def test_it_is_registered_and_described(self):
        task = find_task(self.task)
        assert task.name == self.task and task.description.startswith("to ")
        assert (self.task in finetuning_tasks()) == self.application.fine_tunes

    def test_its_options_can_be_given_on_the_command_line_and_in_a_file(self, trained, tmp_path):
        path = tmp_path / "config.yaml"
        configuration.save(trained.config, path)
        assert configuration.load(type(trained.config), path) == trained.config
        argv = []
        for key, value in configuration.flatten(trained.config).items():
            argv += [f"--{key}", value if isinstance(value, str) else yaml.safe_dump(value).split("\n")[0]]
        assert configuration.parse(type(trained.config), argv) == trained.config
        assert self.application.sections.keys() <= configuration.to_dict(trained.config).keys()

    def test_its_losses_and_metrics_are_finite(self, trained, batch):
        lines = (trained.folder / "metrics.jsonl").read_text().splitlines()
        points = [json.loads(line) for line in lines]
        assert [point["step"] for point in points] == list(range(1, STEPS + 1))
        assert all(np.isfinite(value) for point in points for value in point.values())
        application = trained.application
        logits = application.build_logits(batch, EVALUATE)
        metrics = application.build_eval_metrics(logits, batch)
        assert metrics.keys() == set(application.metric_tags)
        loss = application.build_loss(logits, batch, application.build_loss_weights(batch))
        assert np.shape(loss) == () and np.isfinite(float(loss))

    def test_it_learns(self, trained):
        first, last = (CheckpointStore(trained.folder / "checkpoints", STEPS).load(step) for step in (MIDDLE, STEPS))
        changed = [
            name for name, array in first.arrays.items()
            if name.startswith("model/") and (array != last.arrays[name]).any()
        ]  # fmt: skip
        assert changed

    def test_a_run_that_goes_on_from_its_middle_ends_like_one_that_was_never_stopped(self, trained, folder):
        stopped = folder / "stopped"
        shutil.copytree(trained.folder / "checkpoints", stopped / "checkpoints")
        shutil.copy(trained.folder / "config.yaml", stopped)
        shutil.copy(trained.folder / "metrics.jsonl", stopped)
        shutil.rmtree(max((stopped / "checkpoints").glob("step-*")))
        values = {**configuration.to_dict(trained.config), "out": str(stopped)}
        application = self.application(configuration.build(type(trained.config), values))
        metrics = application.run_train_and_evaluate()
        assert metrics == trained.application.finished_metrics()
        straight, resumed = (
            CheckpointStore(place / "checkpoints", STEPS).load(STEPS) for place in (trained.folder, stopped)
        )
        assert straight.arrays.keys() == resumed.arrays.keys()
        for name, array in straight.arrays.items():
            np.testing.assert_array_equal(array, resumed.arrays[name], err_msg=name)
        logs = (
            map(json.loads, (place / "metrics.jsonl").read_text().splitlines()) for place in (trained.folder, stopped)
        )
        for one, other in zip(*logs, strict=True):
            speed = "examples_per_second"
            assert {**one, speed: 0} == {**other, speed: 0}

    def test_the_saved_model_has_all_that_is_needed_to_use_it(self, trained, saved):
        arrays = CheckpointStore(trained.folder / "checkpoints", STEPS).load(STEPS).arrays
        for variable in saved.model.weights:
            np.testing.assert_array_equal(variable, arrays[f"model/{variable.path}"])
        assert saved.application is self.application and saved.content["task"] == self.task
        shown = trained.application.shows_text
        assert saved.text_length == (trained.config.preprocess_config.max_text_length if shown else NO_TEXT)
        assert saved.labels == list(trained.application.names)
        metadata = trained.application.open_records("train").metadata
        for key in ("backbone", "vocabulary"):
            assert saved.content["processor"][key] == metadata.get(key)
        assert saved.content["task_config"].keys() >= self.application.sections.keys()
        assert str(trained.folder) not in (trained.model / "config.json").read_text()

    def test_evaluating_the_saved_model_finds_what_training_found(self, trained, records):
        section = trained.config.evaluate_config
        application = self.application.of_model(
            trained.model, records, split=section.split, batch_size=section.batch_size
        )
        assert application.run_evaluate() == pytest.approx(trained.application.finished_metrics(), rel=1e-6)
        found = application.evaluate().metrics
        assert found.keys() == trained.result.metrics.keys()
        for name, value in trained.result.metrics.items():
            assert found[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name

    def test_running_leaves_its_files_and_a_table(self, trained):
        for name in (*self.application.result_files(trained.config), *trained.result.files):
            assert (trained.folder / name).stat().st_size, name
        assert trained.result.table.startswith("| ")
        json.dumps(dict(trained.result.metrics), allow_nan=False)

    def test_every_signature_gives_a_finite_row_for_each_example(self, saved, batch):
        signatures = self.application.signatures(saved.model)
        assert signatures
        answer = self.application.answer
        assert not self.predicts or answer is None or answer in signatures
        for name, signature in signatures.items():
            assert set(signature.reads) <= batch.keys()
            outputs = signature.function({array: batch[array] for array in signature.reads})
            assert outputs
            for output, values in outputs.items():
                values = np.asarray(values)
                assert values.dtype == np.float32 and values.shape[0] == ROWS, f"{name}, {output}"
                assert np.isfinite(values).all(), f"{name}, {output}"

    def test_predictions_have_equal_columns_and_do_not_depend_on_their_batch(self, saved, batch):
        create = partial(self.application.create_predictor, saved, ROWS)
        if not self.predicts:
            with pytest.raises(UserError, match="has no"):
                create()
            return
        predictor = create()
        photos = {name: batch[name] for name in PHOTO}
        texts = ["red shirt", "blue jeans number 7", "", "red"]
        whole = predictor(photos, texts)
        part = predictor({name: values[1:] for name, values in photos.items()}, texts[1:])
        assert len(whole) == ROWS and len({tuple(row) for row in whole}) == 1 and whole[0]
        json.dumps(whole, allow_nan=False)
        for row, same in zip(whole[1:], part, strict=True):
            for column, value in row.items():
                assert same[column] == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value)

    def test_the_python_api_knows_it(self, trained, model, saved, folder):
        assert model.task == self.task and model.labels == list(trained.application.names)
        assert set(model.signatures) == set(self.application.signatures(saved.model))
        assert set(model.signatures) <= set(self.application.provides)
        model.save(folder / "copy")
        copied = load_model(folder / "copy")
        for ours, theirs in zip(copied.model.weights, saved.model.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert copied.content["task_config"] == saved.content["task_config"]

    def test_the_exported_model_gives_what_the_keras_model_gives(self, model, saved, batch, folder):
        if keras.backend.backend() != "tensorflow":
            pytest.skip("a SavedModel needs TensorFlow")
        import tensorflow as tf

        model.export(folder / "serving")
        exported = tf.saved_model.load(str(folder / "serving" / "features"))
        assert set(exported.signatures) == set(model.signatures)
        for name, signature in self.application.signatures(saved.model).items():
            read = {array: tf.convert_to_tensor(batch[array]) for array in signature.reads}
            served = {array: tf.cast(v, tf.float32) if v.dtype == tf.float16 else v for array, v in read.items()}
            found = exported.signatures[name](**served)
            for output, values in signature.function(read).items():
                np.testing.assert_allclose(found[output], values, rtol=1e-4, atol=1e-5, err_msg=f"{name}, {output}")
