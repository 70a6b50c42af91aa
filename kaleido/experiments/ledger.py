"""Reads and writes a folder of runs: planned experiments, finished stages, and their times.

RUNS/experiments.json        the preset, and the stages of each experiment and seed
RUNS/stages/KIND-KEY/        a stage: stage.json (what it depends on), log.txt, its results;
                             done.json once it is done, failed.json if it failed the last time
RUNS/candidates/             candidate lists, which all experiments share
RUNS/locks/                  each held by the process that runs a stage, and released when it ends
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.experiments.plan import Run
from kaleido.experiments.preset import Preset
from kaleido.experiments.stage import STAGES, Stage
from kaleido.locks import PATIENCE, locked

FORMAT = "kaleido experiments 2"
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
        experiment: Name of the experiment.
        title: Title of the experiment.
        cells: Columns of the paper that it fills, by table or figure.
        seed: Seed of the run.
        stages: Folder of each stage, by kind; `KIND/FILES` where there are several of a kind.
        expected: Final stages of the experiment.
    """

    experiment: str
    title: str
    cells: Mapping[str, str]
    seed: int
    stages: Mapping[str, Path]
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The plan in a folder of runs.

    Attributes:
        runs: The folder.
        preset: Name, title and kind of the preset.
        planned: Planned runs, in their order.
    """

    runs: Path
    preset: Mapping[str, Any]
    planned: tuple[PlannedRun, ...]


def write_plan(runs: Path, preset: Preset, planned: Iterable[Run]) -> None:
    """Writes `experiments.json`.

    Raises:
        UserError: if the folder holds another preset's runs.
    """
    path = runs / PLAN_FILE
    content = {
        "format": FORMAT,
        "preset": {"name": preset.name, "title": preset.title, "kind": preset.kind},
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
    with locked(path.with_name(f".{PLAN_FILE}.lock"), runs, patience=PATIENCE):
        if path.exists() and (before := read_ledger(runs).preset["name"]) != preset.name:
            raise UserError(f"{runs}: holds runs of the preset {before}; name another folder. Received: {preset.name}")
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
        preset = {key: content["preset"][key] for key in ("name", "title", "kind")}
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); name the folder that `kaleido experiments` wrote"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({error!r:.100}); run `kaleido experiments` again") from None
    return Ledger(runs, preset, tuple(planned))


def is_done(stage: Stage) -> bool:
    """Tells whether a stage is finished."""
    return all((stage.folder / name).is_file() for name in (DONE_FILE, *stage.results))


def read_note(folder: Path, name: str) -> dict[str, Any] | None:
    """Reads one of the JSON files of a stage's folder; None where there is none."""
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
    """Computes the mean seconds per unit, and the number of finished stages, of each kind of stage and unit."""
    sums: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for path in sorted((runs / STAGES).glob(f"*/{DONE_FILE}")):
        done = read_note(path.parent, DONE_FILE) or {}
        if {"kind", "unit", "units", "seconds"} <= done.keys():
            sums.setdefault((done["kind"], done["unit"]), []).append((done["seconds"], done["units"]))
    return {
        key: (sum(seconds for seconds, _ in found) / sum(units for _, units in found), len(found))
        for key, found in sums.items()
    }
