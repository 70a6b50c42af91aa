"""A task from outside the package is planned as a stage like the others; `tests/tasks` runs one."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from kaleido.catalog.catalog import Catalog
from kaleido.experiments.experiment import read_experiments
from kaleido.experiments.kinds import task_modules
from kaleido.experiments.plan import Planner
from kaleido.experiments.preset import read_preset
from kaleido.plugins import import_modules

FOLDER = Path(__file__).parents[2] / "examples" / "tasks" / "price_regression"
TRAIN = {"batch_size": 4, "steps": 2, "save_every": 100, "tensorboard": False}
PRESET = {
    "title": "prices",
    "share_process": True,
    "prepare": {
        "saliency": "border",
        "backbone": "random",
        "prepare_config": {"vocabulary_size": 100, "validation_fraction": 0.2, "test_fraction": 0.2},
    },
    "align": {"align_config": {"steps": 1, "batch_size": 2, "photos": 4, "max_text_length": 8, "hidden_size": 8}},
    "pretrain": {"text_length": 16, "size": "tiny", "model_config": {"num_layers": 1}, "train_config": {**TRAIN}},
    "finetune": {"text_length": 16, "train_config": {**TRAIN}, "split": "test"},
}


@pytest.fixture
def folder(tmp_path):
    """A shop, a preset on it, and one experiment that ends with the task."""
    (tmp_path / "images").mkdir()
    lines = ["id,title,category,price"]
    for number in range(20):
        pixels = np.full((40, 30, 3), 255, np.uint8)
        pixels[5:35, 4:26] = 10 * number
        Image.fromarray(pixels).save(tmp_path / "images" / f"p{number}.jpg")
        lines.append(f"p{number},dress number {number},dresses,{5 * number}")
    (tmp_path / "products.csv").write_text("\n".join(lines) + "\n")
    Catalog.from_table(tmp_path / "products.csv", tmp_path / "shop")
    preset = {**PRESET, "catalog": {"path": str(tmp_path / "shop")}, "price": {"train_config": {"steps": 3}}}
    (tmp_path / "tried.yaml").write_text(yaml.safe_dump(preset))
    (tmp_path / "experiments").mkdir()
    experiment = {"title": "prices", "stages": ["price"], "cells": {}}
    (tmp_path / "experiments" / "prices.yaml").write_text(yaml.safe_dump(experiment))
    return tmp_path


def test_its_stage_is_planned_from_the_registry(folder):
    import_modules([str(FOLDER)])
    experiments = read_experiments(folder / "experiments")
    (run,) = Planner(read_preset(folder / "tried.yaml"), folder / "runs").plan(experiments, (0,))
    stage = run.stages["price"]
    (command,) = stage.commands
    assert command.subcommand == "finetune" and command.config.task == "price"
    assert (stage.units, stage.unit) == (3, "step")
    assert stage.results and all(name.startswith("run/") for name in stage.results)
    # Its own section counts, other tasks' do not.
    sections = {key.partition(".")[0] for key in stage.about["settings"]}
    assert "price_config" in sections and not sections & {"caption_config", "recognition_config", "retrieval_config"}
    assert any(not module.startswith("kaleido.") for module in task_modules("price"))
