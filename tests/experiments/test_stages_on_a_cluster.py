"""Stages that are given to a cluster: each after its inputs, and once."""

import json
from collections import deque
from pathlib import Path

import pytest
from clusters import Sequential

from kaleido.cluster import ClusterConfig
from kaleido.errors import UserError
from kaleido.experiments import runner as runner_module
from kaleido.experiments.config import ExperimentsConfig
from kaleido.experiments.preset import Preset
from kaleido.experiments.runner import Runner
from kaleido.experiments.stage import Command, Stage


def stage(folder: Path, kind: str, *inputs: Stage, commands: tuple[Command, ...] = ()) -> Stage:
    place = folder / "stages" / f"{kind}-0"
    return Stage(kind, kind, place, inputs, commands, (), 1, "stage", "tried", "", {})


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """Makes the runner of a cluster."""
    monkeypatch.setattr(runner_module, "PAUSE", 0.0)
    monkeypatch.setattr("kaleido.experiments.kinds.is_task", lambda kind: False)
    return lambda cluster: Runner(Preset("tried", tmp_path, "tried"), tmp_path, cluster)


class Answers:
    """A cluster that answers requests in the order of a list of kinds, each one when it has been given."""

    def __init__(self, *answers):
        self.answers, self.given = answers, []

    def map(self, function, common, items: deque):
        for kind, answer in self.answers:
            self.given += [key for key, _ in items if key not in self.given]
            request = next(item for item in items if item[0] == kind)
            items.remove(request)
            yield kind, {"seconds": 1.0, **answer}
        assert not items


DONE = {"code": 0}


def test_a_stage_is_given_once_its_inputs_are_done(tmp_path, runner, capsys):
    first, other = stage(tmp_path, "first"), stage(tmp_path, "other")
    then = stage(tmp_path, "then", first)
    last = stage(tmp_path, "last", then, other)
    cluster = Answers(
        ("other", DONE),
        ("first", {"locked": "process 7 on elsewhere"}),
        ("first", DONE),
        ("then", DONE),
        ("last", DONE),
    )
    assert runner(cluster).run([first, other, then, last]) == []
    assert cluster.given == ["first", "other", "then", "last"]
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["[1/4]", "waiting:", "[2/4]", "[3/4]", "[4/4]"]
    assert "first-0 is being made by process 7 on elsewhere" in said[1]


def test_what_lacks_an_input_is_not_given(tmp_path, runner, capsys):
    bad, good = stage(tmp_path, "bad"), stage(tmp_path, "good")
    then = stage(tmp_path, "then", bad)
    last = stage(tmp_path, "last", then)
    died = {"code": 137, "died": True}
    assert runner(Answers(("bad", died), ("good", DONE))).run([bad, good, then, last]) == [bad, then, last]
    assert json.loads((bad.folder / "failed.json").read_text())["code"] == 137
    assert "FAILED with 137" in capsys.readouterr().out


def test_a_node_makes_a_stage_by_a_process_of_its_own_and_once(tmp_path, runner):
    arguments = ("generate", "--products=3", "--photo-size=32", "--workers=1", f"--out={tmp_path / 'wardrobe'}")
    catalog = stage(tmp_path, "catalog", commands=(Command("catalog", arguments),))
    assert runner(Sequential()).run([catalog]) == []
    assert (catalog.folder / "log.txt").read_text().count("$ kaleido catalog") == 1
    assert (tmp_path / "wardrobe" / "catalog.json").exists()


def test_shards_do_not_go_with_a_cluster():
    with pytest.raises(UserError, match="--shard does not go with --cluster"):
        ExperimentsConfig("smoke", "runs", shard="1/2", cluster="local")
    assert ExperimentsConfig("smoke", "runs", cluster="local").cluster_config == ClusterConfig()
