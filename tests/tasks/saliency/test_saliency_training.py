"""Training of the saliency net."""

from dataclasses import replace

import numpy as np
import pytest

from kaleido.app.engine import Interrupted
from kaleido.app.logs import read_metrics
from kaleido.app.step_tensorflow import StepTensorflow
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.tasks.saliency.config import SaliencyConfig
from kaleido.tasks.saliency.training import MODEL_FOLDER, SaliencyTraining, SceneStream, WardrobeCutouts
from kaleido.vision.saliency import create_saliency
from kaleido.vision.saliency.unet import SIDE


@pytest.fixture(autouse=True)
def few_held_out_scenes(monkeypatch):
    monkeypatch.setattr("kaleido.tasks.saliency.training.HELD_OUT_SCENES", 8)
    monkeypatch.setattr("kaleido.tasks.saliency.training.LOG_EVERY", 2)


@pytest.fixture
def config(tmp_path):
    return SaliencyConfig(str(tmp_path / "run"), steps=12, batch_size=8, products=24, save_every=5, evaluate_every=50)


@pytest.mark.slow
def test_a_training_that_is_stopped_goes_on_to_the_same_weights(config, tmp_path, monkeypatch):
    metrics = SaliencyTraining(config).run_train_and_evaluate()
    losses = [point["loss/total"] for point in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert losses[-1] < losses[0]
    assert 0 <= metrics["iou/mask"] <= 1

    halves = replace(config, out=str(tmp_path / "halves"))
    train, done = StepTensorflow.train, []

    def train_until_stopped(self, batch):
        done.append(batch)
        if len(done) == 7:
            raise KeyboardInterrupt
        return train(self, batch)

    with monkeypatch.context() as stopping, pytest.raises((KeyboardInterrupt, Interrupted)):
        stopping.setattr(StepTensorflow, "train", train_until_stopped)
        SaliencyTraining(halves).run_train_and_evaluate()
    SaliencyTraining(halves).run_train_and_evaluate()
    photo = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    whole, resumed = (
        create_saliency("unet", str(tmp_path / name / MODEL_FOLDER)).scores(photo) for name in ("run", "halves")
    )
    np.testing.assert_allclose(whole, resumed, atol=0.02)

    with pytest.raises(UserError, match="another seed"):
        SaliencyTraining(replace(halves, seed=1)).run_train_and_evaluate()


def test_scenes_do_not_depend_on_batches_or_threads():
    def photos(batch_size, workers, steps):
        stream = SceneStream(WardrobeCutouts(0, 6), PipelineConfig(workers=workers), batch_size, seed=5)
        return np.concatenate([batch["photo"] for batch in stream.iterate(0, steps)])

    np.testing.assert_array_equal(photos(4, 2, 3), photos(6, 1, 2))


@pytest.mark.parametrize("values", [{"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"workers": 0}])
def test_values_out_of_range_are_named(values):
    with pytest.raises(UserError, match=f"{next(iter(values))}.*Received"):
        SaliencyConfig("out", **values)
