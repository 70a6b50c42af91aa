"""Stages are made once, in whatever order processes come, go and are killed."""

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from sklearn.metrics import accuracy_score, f1_score
from stages_here import stages_made_here
from workers import PATIENCE

from kaleido.__main__ import main
from kaleido.experiments.report.paper import SUMS

ROOT = Path(__file__).parents[2]
QUICK = {"batch_size": 4, "save_every": 100, "tensorboard": False}
PRESET = {
    "title": "tried",
    "share_process": True,
    "catalog": {"generate": {"products": 30, "photo-size": 48, "workers": 1}},
    "prepare": {
        "prepare_config": {
            "saliency": "border",
            "backbone": "random",
            "vocabulary_size": 300,
            "validation_fraction": 0.2,
            "test_fraction": 0.4,
        }
    },
    "align": {"align_config": {"steps": 2, "batch_size": 4, "photos": 16, "max_text_length": 16, "hidden_size": 8}},
    "pretrain": {
        "preprocess_config": {"max_text_length": 16},
        "model_config": {"size": "tiny", "num_layers": 1, "hidden_size": 16, "intermediate_size": 32},
        "train_config": {**QUICK, "steps": 2, "log_every": 1},
        "evaluate_config": {"every": 2},
    },
    "finetune": {
        "preprocess_config": {"max_text_length": 16},
        "train_config": {**QUICK, "steps": 1},
        "evaluate_config": {"split": "test"},
    },
    "category": {"recognition_config": {"unseen": "ignore"}},
    "subcategory": {"recognition_config": {"unseen": "ignore"}},
    "caption": {"caption_config": {"decoder": "mask_predict", "long_texts": "cut"}},
    "retrieve": {
        "resamples": 10,
        "candidates_config": {"queries": 4, "negatives": 2, "repeats": 1, "label": "category", "small": "drop"},
    },
}
CATALOG_ALONE = {key: PRESET[key] for key in ("catalog", "prepare", "align")}


def write(folder: Path, preset: dict, **experiments: dict) -> list[str]:
    """The arguments of `experiments` on a preset and some experiments."""
    (folder / "experiments").mkdir(exist_ok=True)
    (folder / "tried.yaml").write_text(yaml.safe_dump(preset))
    for name, content in experiments.items():
        (folder / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    places = ["--out", str(folder / "runs"), "--experiments", str(folder / "experiments")]
    return ["experiments", str(folder / "tried.yaml"), *places]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, uncompiled, no_java):
    """Two experiments, one of them under two names, run to the end."""
    folder = tmp_path_factory.mktemp("experiments")
    random = {"pretrain": {"preprocess_config.masking": "random"}}
    command = write(
        folder,
        PRESET,
        guided={"cells": {"table4": "AGM", "figure6": "all", "figure7": "all"}},
        saliency={"cells": {"table4": "Kal.+SOD", "table2": "Kaleido-BERT"}},
        random={"cells": {"table4": "Random"}, "stages": ["category"], "overrides": random},
    )
    with stages_made_here():
        assert main(command) == 0
    return folder, command


def report(folder: Path) -> dict:
    assert main(["report", str(folder / "runs"), "--out", str(folder / "report")]) == 0
    return json.loads((folder / "report" / "report.json").read_text())


def test_every_stage_is_made_once(finished, capsys):
    folder, command = finished
    stages = sorted(path.name.partition("-")[0] for path in (folder / "runs" / "stages").iterdir())
    once = ["catalog", "records", "subcategory", "caption", "retrieve"]
    assert stages == sorted([*once, "pretrain", "pretrain", "category", "category"])
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "runs" / "stages").rglob("*")}
    assert main(command) == 0
    assert "9 of 9 stages are done" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs" / "stages").rglob("*")} == stamps
    # What nobody needs any more is gone; what cells are computed from is not.
    assert not list((folder / "runs").rglob("checkpoints"))
    assert len(list((folder / "runs" / "stages").glob("*/run/model/model.safetensors"))) == 2


def test_cells_are_recomputed_from_what_was_dumped(finished):
    folder, _ = finished
    runs, data = folder / "runs", report(folder)
    table = data["tables"]["table4"]
    for column in ("AGM", "Kal.+SOD"):
        assert all(table[row][column]["values"] for row in SUMS if row != "SumCAP")
        sources = [runs / source for source in table["SumCLS"][column]["sources"]["0"]]
        lines = [csv.DictReader(path.read_text().splitlines()) for path in sources if path.suffix == ".csv"]
        added = 0.0
        for of_task in lines:
            truth, guess = zip(*((line["label"], line["predicted"]) for line in of_task if line["label"]))
            added += 100 * (accuracy_score(truth, guess) + f1_score(truth, guess, average="macro"))
        assert len(lines) == 2 and table["SumCLS"][column]["mean"] == pytest.approx(added)
        (scores,) = [runs / s for s in table["SumR"][column]["sources"]["0"] if s.endswith(".npz")]
        with np.load(scores) as arrays:
            added = 0.0
            for direction in ("i2t", "t2i"):
                offsets, score, label = (arrays[f"{direction}_{name}"] for name in ("offset", "score", "label"))
                ranks = []
                for start, end in pairwise(offsets):
                    own = score[start:end][label[start:end]]
                    ranks.append(1 + int((score[start:end][~label[start:end]] >= own).sum()))
                added += sum(100 * np.mean(np.array(ranks) <= k) for k in (1, 5, 10))
        assert table["SumR"][column]["mean"] == pytest.approx(added)
    assert table["CR ACC"]["Random"]["values"] and not table["SumR"]["Random"]["values"]
    assert table["SumR"]["Random"]["missing"] == table["SumR"]["Fixed"]["missing"] == "no run"
    assert set(data["curves"]) == {"guided, seed 0", "saliency, seed 0", "random, seed 0"}
    told = {row["what"]: row["ours"] for row in data["differences"]}
    assert told["backbone"] == "random" and told["model"] == "1 layers, 16 wide" and "2 steps" in told["pre-training"]
    assert "wardrobe" in told["data"] and "of the same category" in told["retrieval"]


@pytest.mark.slow
def test_a_failure_is_told_and_the_others_go_on(tmp_path, capsys):
    preset = {**CATALOG_ALONE, "pretrain": PRESET["pretrain"], "category": PRESET["category"]}
    # That three heads do not share 128 is seen when it begins to train.
    bad = {"stages": ["pretrain"], "overrides": {"pretrain": {"model_config.num_heads": 3}}}
    good = {"stages": ["records"]}
    command = write(tmp_path, preset, a_bad={**bad, "stages": ["category"]}, good=good)
    assert main(command) == 1
    *_, last = said = capsys.readouterr().out.splitlines()
    assert any("FAILED with 2" in line and "num_heads" in line for line in said)
    assert "2 of 4 stages failed or lack an input" in last and last.endswith("log.txt")
    folder = Path(last.rpartition(": ")[2]).parent
    assert json.loads((folder / "failed.json").read_text())["code"] == 2
    assert "$ kaleido pretrain --config" in (folder / "log.txt").read_text()
    assert not list((tmp_path / "runs" / "stages").glob("category-*"))
    # Once it can, the same command goes on.
    bad["overrides"]["pretrain"]["model_config.num_heads"] = 2
    assert main(write(tmp_path, preset, a_bad=bad, good=good)) == 0


def test_another_process_is_waited_for(finished, capsys, monkeypatch):
    folder, command = finished
    (stage,) = (folder / "runs" / "stages").glob("catalog-*")
    (stage / "done.json").unlink()
    locks = folder / "runs" / "locks"
    locks.mkdir(exist_ok=True)
    with open(locks / f"{stage.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write('{"process": 7, "host": "elsewhere", "command": "kaleido experiments", "since": "today"}')
        lock.flush()
        pauses = iter([int, int, lambda: fcntl.flock(lock, fcntl.LOCK_UN)])
        monkeypatch.setattr("kaleido.experiments.runner.time", SimpleNamespace(sleep=lambda _: next(pauses)()))
        with stages_made_here():
            assert main(command) == 0
    assert not [*pauses] and (stage / "done.json").exists()
    assert capsys.readouterr().out.count("is being made by process 7 on elsewhere") == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_runner_leaves_nobody_behind_and_goes_on(tmp_path, number, capsys):
    preset = {**CATALOG_ALONE, "catalog": {"generate": {"products": 3000, "photo-size": 48, "workers": 1}}}
    command = write(tmp_path, preset, one={"stages": ["records"]})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    locks = tmp_path / "runs" / "locks"
    deadline = time.monotonic() + PATIENCE
    with subprocess.Popen(
        [sys.executable, "-m", "kaleido", *command], env=environment, stdout=subprocess.PIPE
    ) as running:
        try:
            while not list((tmp_path / "runs").rglob("drawing/*.jsonl")):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            running.send_signal(number)
            assert running.wait(60) == (143 if number == signal.SIGTERM else -number)
        finally:
            running.kill()
    for lock in locks.iterdir():  # none where the worker could end properly
        with open(lock) as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    assert time.monotonic() < deadline, "the worker still holds its stage"
                    time.sleep(0.1)
    (stage,) = (tmp_path / "runs" / "stages").iterdir()
    assert not (stage / "done.json").exists() and not (stage / "failed.json").exists()
    assert list(stage.rglob("drawing/*.jsonl"))


def test_a_folder_belongs_to_one_preset(finished, tmp_path, capsys):
    folder, command = finished
    (tmp_path / "other.yaml").write_text((folder / "tried.yaml").read_text())
    assert main(["experiments", str(tmp_path / "other.yaml"), *command[2:]]) == 2
    assert "holds runs of the preset tried" in capsys.readouterr().err
