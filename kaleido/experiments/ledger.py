"""What lies in a folder of runs: which experiments were planned, which stages are done, and how long they took.

RUNS/experiments.json        the scale, and of each experiment and seed its stages
RUNS/stages/KIND-KEY/        a stage: stage.json (what it depends on), log.txt, its results;
                             done.json once it is done, failed.json if it failed the last time
RUNS/candidates/             candidate lists, which all experiments share
RUNS/locks/                  held by whoever makes a stage, given back by the system when it ends
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.experiments.plan import Run
from kaleido.experiments.scale import Scale
from kaleido.experiments.stage import STAGES, Stage

FORMAT = "kaleido experiments 1"
PLAN_FILE, STAGE_FILE, DONE_FILE, FAILED_FILE, LOG_FILE = (
    "experiments.json",
    "stage.json",
    "done.json",
    "failed.json",
    "log.txt",
)


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One experiment with one seed, as it was planned.

    Attributes:
        experiment: Its name.
        title: What it is.
        cells: Which columns of the paper it fills, by table or figure.
        seed: Its seed.
        stages: Folder of each kind of stage.
        expected: The kinds that it ends with.
    """

    experiment: str
    title: str
    cells: Mapping[str, str]
    seed: int
    stages: Mapping[str, Path]
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was planned in a folder of runs.

    Attributes:
        runs: The folder.
        scale: Name, title and kind of the scale, and its seeds.
        planned: In their order.
    """

    runs: Path
    scale: Mapping[str, Any]
    planned: tuple[PlannedRun, ...]


def write_plan(runs: Path, scale: Scale, planned: Iterable[Run]) -> None:
    """Writes `experiments.json`.

    Raises:
        UserError: if the folder holds another scale's runs.
    """
    path = runs / PLAN_FILE
    if path.exists() and (before := read_ledger(runs).scale["name"]) != scale.name:
        raise UserError(f"{runs}: holds runs of the scale {before}; name another folder. Received: {scale.name}")
    content = {
        "format": FORMAT,
        "scale": {"name": scale.name, "title": scale.title, "kind": scale.kind},
        "runs": [
            {
                "experiment": run.experiment.name,
                "title": run.experiment.title,
                "cells": dict(run.experiment.cells),
                "seed": run.seed,
                "stages": {kind: f"{STAGES}/{stage.name}" for kind, stage in run.stages.items()},
                "expected": list(run.experiment.stages),
            }
            for run in planned
        ],
    }
    write_atomically(path, json.dumps(content, indent=1).encode() + b"\n")


def read_ledger(runs: Path) -> Ledger:
    """Reads `experiments.json`.

    Raises:
        UserError: if it is missing or damaged.
    """
    path = runs / PLAN_FILE
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError("of another version")
        planned = [
            PlannedRun(
                run["experiment"],
                run["title"],
                run["cells"],
                run["seed"],
                {kind: runs / folder for kind, folder in run["stages"].items()},
                tuple(run["expected"]),
            )
            for run in content["runs"]
        ]
        scale = {key: content["scale"][key] for key in ("name", "title", "kind")}
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); name the folder that `python -m kaleido experiments` wrote"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({error!r:.100}); run `python -m kaleido experiments` again") from None
    return Ledger(runs, scale, tuple(planned))


def is_done(stage: Stage) -> bool:
    """Whether a stage's results are there."""
    return all((stage.folder / name).is_file() for name in (DONE_FILE, *stage.results))


def read_note(folder: Path, name: str) -> dict[str, Any] | None:
    """What a stage's folder says in one of its JSON files; None where there is none."""
    try:
        content = json.loads((folder / name).read_bytes())
    except OSError:
        return None
    except (ValueError, RecursionError):
        raise UserError(f"{folder / name}: damaged; remove {folder} to make it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{folder / name}: damaged; remove {folder} to make it again")
    return content


def measured_seconds(runs: Path) -> dict[tuple[str, str], tuple[float, int]]:
    """Of each kind of stage and unit, seconds a unit and how many finished stages say so."""
    sums: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for path in sorted((runs / STAGES).glob(f"*/{DONE_FILE}")):
        done = read_note(path.parent, DONE_FILE) or {}
        if {"kind", "unit", "units", "seconds"} <= done.keys():
            sums.setdefault((done["kind"], done["unit"]), []).append((done["seconds"], done["units"]))
    return {
        key: (sum(seconds for seconds, _ in found) / sum(units for _, units in found), len(found))
        for key, found in sums.items()
    }
