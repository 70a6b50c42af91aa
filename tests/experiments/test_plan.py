import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from kaleido.__main__ import main
from kaleido.configuration import read_mapping
from kaleido.errors import UserError
from kaleido.experiments.code import ROOT as PACKAGE
from kaleido.experiments.code import code_version
from kaleido.experiments.experiment import read_experiments
from kaleido.experiments.kinds import task_modules
from kaleido.experiments.plan import Planner
from kaleido.experiments.preset import read_preset
from kaleido.experiments.report.cells import check_cells
from kaleido.experiments.report.paper import paper
from kaleido.experiments.runner import different_runs, request_of, stages_of

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "configs" / "experiments"
PRESETS = ROOT / "configs" / "presets"
PRESET = {
    "catalog": {"generate": {"products": 8}},
    "prepare": {"prepare_config": {"backbone": "random"}},
    "pretrain": {"train_config": {"steps": 2}},
    "finetune": {"train_config": {"steps": 3}},
}


def preset_file(folder, **changes):
    path = folder / "tried.yaml"
    path.write_text(yaml.safe_dump({**PRESET, **changes}))
    return path


def planned(path, runs, experiments=EXPERIMENTS, seeds=(0,)):
    return {
        (run.experiment.name, run.seed): run
        for run in Planner(read_preset(path), runs).plan(read_experiments(experiments), seeds)
    }


def test_every_column_of_ours_has_one_experiment():
    experiments = read_experiments(EXPERIMENTS)
    check_cells({experiment.name: experiment.cells for experiment in experiments})
    filled = [(place, name) for experiment in experiments for place, name in experiment.cells.items()]
    wanted = [("table4", column) for column in paper().tables["table4"].columns]
    wanted += [("table2", "Kaleido-BERT"), ("table3", "Kaleido-BERT"), ("figure6", "all")]
    wanted += [("figure7", panel) for panel in paper().panels]
    assert sorted(filled) == sorted(wanted)


@pytest.mark.parametrize("name", ["smoke", "small", "small_cpu", "paper"])
def test_the_same_model_is_trained_once(tmp_path, name):
    runs = planned(PRESETS / f"{name}.yaml", tmp_path)
    full = runs["kaleido_bert", 0].stages
    for other in ("kpg_saliency", "agm_guided", "akpm_b_i_v"):
        assert {kind: stage.key for kind, stage in runs[other, 0].stages.items()} == {k: s.key for k, s in full.items()}
    kinds = [stage.kind for stage in stages_of(runs.values())]
    # Ten models of table 4 and three more of figure 7; the whole photo, one grid, and the product.
    assert kinds.count("pretrain") == 13 and kinds.count("retrieve") == 10 and kinds.count("records") == 3
    assert len(different_runs(runs.values())) == 13
    # What an experiment does not touch is shared.
    assert runs["agm_random", 0].stages["records"] is full["records"]
    assert runs["agm_random", 0].stages["pretrain"] is not full["pretrain"]
    lists = {request["commands"][0]["config"]["lists"] for request in _requests(runs, "retrieve")}
    assert len(lists) == 1
    two = planned(PRESETS / f"{name}.yaml", tmp_path, seeds=(0, 1)).values()
    assert len({run.stages["pretrain"].key for run in two}) == 26


def _requests(runs, kind):
    return [request_of(stage, Path("runs"), False) for stage in stages_of(runs.values()) if stage.kind == kind]


def test_only_what_is_meant_differs(tmp_path):
    runs = planned(PRESETS / "smoke.yaml", tmp_path)

    def settings(name, kind):
        return runs[name, 0].stages[kind].about["settings"]

    def difference(name, kind):
        other, full = settings(name, kind), settings("kaleido_bert", kind)
        return {key: other[key] for key in other if other[key] != full.get(key)}

    prepare = "prepare.prepare_config."
    assert difference("kpg_kaleido", "records") == {f"{prepare}saliency": "none"}
    assert difference("kpg_fixed", "records") == {f"{prepare}saliency": "none", f"{prepare}grid": "fixed"}
    assert difference("kpg_fixed", "pretrain") == {}
    assert difference("agm_random", "pretrain") == {"preprocess_config.masking": "random"}
    off = {task: 0.0 for task in ("rotation", "jigsaw", "camouflage", "grey", "blank")}
    for name, kept in {
        "akpm_b": (),
        "akpm_b_i": ("rotation",),
        "akpm_b_i_ii": ("rotation", "jigsaw"),
        "akpm_b_i_iii": ("rotation", "jigsaw", "camouflage"),
        "akpm_b_i_iv": ("rotation", "jigsaw", "camouflage", "grey"),
        "akpm_b_i_v": tuple(off),
        "akpm_b_v": ("blank",),
        "figure7_ii": ("jigsaw",),
        "figure7_iii": ("camouflage",),
        "figure7_iv": ("grey",),
    }.items():
        wanted = {f"train_config.loss_config.{task}": 0.0 for task in off if task not in kept}
        assert difference(name, "pretrain") == wanted, name


def test_what_changes_a_stage_and_what_does_not(tmp_path):
    before = planned(preset_file(tmp_path), tmp_path / "runs")["agm_guided", 0].stages

    def changed(**changes):
        after = planned(preset_file(tmp_path, **changes), tmp_path / "runs")["agm_guided", 0].stages
        return {kind for kind in after if after[kind].key != before[kind].key}

    everything = set(before)
    assert changed() == set()
    assert changed(catalog={"generate": {"products": 9}}) == everything
    assert changed(prepare={"prepare_config": {"backbone": "random", "seed": 1}}) == everything - {"catalog"}
    assert changed(pretrain={"train_config": {"steps": 4}}) == everything - {"catalog", "records"}
    assert changed(retrieve={"candidates_config": {"negatives": 3}}) == {"retrieve"}
    assert changed(caption={"caption_config": {"rounds": 2}}) == {"caption"}
    # Neither threads nor places nor how often a state is saved.
    assert changed(prepare={"prepare_config": {"backbone": "random", "workers": 1}}) == set()
    assert changed(pretrain={"train_config": {"steps": 2, "save_every": 7}, "out": "elsewhere"}) == set()
    # A model's own key, nested or dotted.
    assert changed(pretrain={"train_config.steps": 2}) == set()


def test_files_count_by_their_content(tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "a").write_text("1")
    preset = preset_file(tmp_path, pretrain={"model_config": {"initial_weights": str(weights)}})

    def stage():
        return planned(preset, tmp_path / "runs")["agm_guided", 0].stages["pretrain"]

    first = stage()
    (weights / "a").write_text("2")
    assert stage().key != first.key
    (weights / "a").write_text("1")
    moved = weights.rename(tmp_path / "moved")
    preset = preset_file(tmp_path, pretrain={"model_config": {"initial_weights": str(moved)}})
    assert stage().key == first.key
    shutil.rmtree(moved)
    assert "named by model_config.initial_weights" in stage().missing


def test_the_code_counts_and_words_about_it_do_not(tmp_path):
    root = tmp_path / "kaleido"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))

    def version(subcommand="pretrain"):
        # Files are read once a process: a new place for each.
        copy = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "kaleido"
        shutil.copytree(root, copy)
        modules = task_modules("pretraining") if subcommand == "pretrain" else [f"kaleido.commands.{subcommand}"]
        return code_version(modules, copy)

    first, prepared = version(), version("prepare")
    path = root / "model" / "losses.py"
    path.write_text("# A remark.\n" + path.read_text().replace('"""', '"""Also: ', 1))
    for other in ("commands/predict.py", "experiments/report/cells.py", "alignment/words.py"):
        if (root / other).is_file():
            (root / other).write_text((root / other).read_text() + "\nUNUSED = 1\n")
    assert version() == first
    path.write_text(path.read_text() + "\nUNUSED = 1\n")
    assert version() != first and version("prepare") == prepared
    weights = next((root / "vision").rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\0")
    assert version("prepare") != prepared


def test_commands_are_those_that_a_user_types(tmp_path):
    preset = preset_file(tmp_path, retrieval={"retrieval_config": {"negatives": 2}})
    run = planned(preset, tmp_path / "runs")["akpm_b", 0]
    folders = {kind: stage.folder for kind, stage in run.stages.items()}
    made = {kind: request_of(stage, Path("runs"), False)["commands"] for kind, stage in run.stages.items()}
    assert [command["subcommand"] for command in made["records"]] == ["prepare", "align"]
    assert made["catalog"][0]["arguments"] == ["generate", "--products=8", f"--out={folders['catalog'] / 'wardrobe'}"]
    caption = made["caption"][0]
    assert caption["subcommand"] == "finetune" and caption["config"]["task"] == "caption"
    assert caption["config"]["model"] == str(folders["pretrain"] / "run" / "model")
    assert caption["config"]["train_config"]["steps"] == 3
    # Where matching is fine-tuned, retrieval scores by it.
    assert made["retrieve"][0]["config"]["model"] == str(folders["retrieval"] / "run" / "model")
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"catalogue": {}}, "unknown key catalogue"),
        ({"seeds": 3}, "seeds must be a list"),
        ({"seeds": [0, 0]}, "each once"),
        ({"seeds": []}, "each once"),
        ({"seeds": [-1]}, "each once"),
        ({"catalog": {}}, "either path or generate"),
        ({"catalog": {"generate": 3}}, "catalog.generate must be a mapping"),
        ({"kind": "other"}, "kind must be"),
        ({"seconds": {"pretrain": "long"}}, "seconds.pretrain must be a number"),
        ({"pretrain": {"train_config": {"step": 3}}}, "section pretrain: unknown key train_config.step"),
        ({"pretrain": {"train_config": {"steps": "many"}}}, "section pretrain: train_config.steps must be an int"),
        ({"prepare": {"config": "none.yaml"}}, "none.yaml: no such configuration"),
    ],
)
def test_a_preset_that_cannot_be_used(tmp_path, capsys, changes, words):
    path = preset_file(tmp_path, **changes)
    command = ["experiments", str(path), "--out", str(tmp_path / "runs"), "--experiments", str(EXPERIMENTS)]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert words in error and str(path) in error and error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"cell": {}}, "unknown key cell"),
        ({"cells": {"table5": "B"}}, "cells must be of table2"),
        ({"cells": {"table4": "B+VI"}}, "table4 has no column B+VI"),
        ({"stages": ["dance"]}, "stages must be among"),
        ({"overrides": {"train": {}}}, "overrides are mappings of keys to values, by section"),
        (
            {"overrides": {"pretrain": {"train_config.loss_config.gray": 0}}},
            "did you mean train_config.loss_config.grey",
        ),
    ],
)
def test_an_experiment_that_cannot_be_used(tmp_path, capsys, content, words):
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "one.yaml").write_text(yaml.safe_dump({"title": "one", **content}))
    command = ["experiments", str(preset_file(tmp_path)), "--out", str(tmp_path / "runs"), "--experiments", str(folder)]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "no such preset; there are original, paper, small, small_cpu, smoke"),
        (["smoke", "--only", "nobody"], "--only: no such experiment; there are agm_guided"),
        (["smoke", "--seeds", "2"], "seeds must be 1 to 1"),
        (["smoke", "--shard", "3/2"], "shard must be i/n"),
        (["paper"], "dataset/fashion-gen holds no finished catalogue"),
    ],
)
def test_arguments_that_cannot_be_used(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["experiments", *arguments, "--out", "runs"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    runs = tmp_path / "runs"
    command = ["experiments", "smoke", "--out", str(runs), "--dry-run"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "16 runs, 13 of them different" in said and not runs.exists()
    assert re.search(r"pretrain +13 +0 +13 +\S+ minutes +\S*smoke.yaml", said)
    assert main([*command, "--only", "akpm_b", "agm_guided"]) == 0
    assert "2 runs, 2 of them different" in capsys.readouterr().out
    # The rate of what is finished beats the file's.
    (runs / "stages" / "pretrain-old").mkdir(parents=True)
    done = {"kind": "pretrain", "unit": "step", "units": 10, "seconds": 20.0, "label": ""}
    (runs / "stages" / "pretrain-old" / "done.json").write_text(json.dumps(done))
    assert main(command) == 0
    assert re.search(r"pretrain +13 +0 +13 +26.0 minutes +1 finished here", capsys.readouterr().out)


def test_shards_share_the_runs(tmp_path, capsys):
    said = []
    for number in (1, 2, 3):
        command = ["experiments", "smoke", "--out", str(tmp_path), "--dry-run", "--shard", f"{number}/3"]
        assert main(command) == 0
        said.append({line for line in capsys.readouterr().out.splitlines() if ", seed 0: " in line})
    assert [len(lines) for lines in said] == [5, 4, 4] and len(set.union(*said)) == 13


def test_references_in_yaml_are_refused(tmp_path):
    path = tmp_path / "preset.yaml"
    path.write_text("title: &a x\nkind: *a\n")
    with pytest.raises(UserError, match="references"):
        read_mapping(path)
