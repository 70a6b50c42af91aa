"""Reads the outcome of a run: values of the paper's rows, training curves, and their sources."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaleido.app.logs import read_metrics
from kaleido.errors import UserError
from kaleido.experiments.kinds import MATCHING
from kaleido.experiments.ledger import DONE_FILE, FAILED_FILE, STAGE_FILE, PlannedRun, read_note
from kaleido.experiments.report.paper import CAPTION, RECALLS, RECOGNITION, SHARES, SUMS, total
from kaleido.retrieval.ranks import CUTOFFS

NO_RUN, FAILED, UNDER_WAY = "no run", "failed", "not finished"
_BEFORE = ("catalog", "import", "records", "pretrain", MATCHING)
DIRECTIONS = {"i2t": "ITR", "t2i": "TIR"}

_TASKS: Mapping[str, Mapping[str, str]] = {
    "category": dict(zip(RECOGNITION[:2], ("accuracy", "macro_f1"))),
    "subcategory": dict(zip(RECOGNITION[2:], ("accuracy", "macro_f1"))),
    "caption": {row: row for row in CAPTION},
}
"""The metric of each of the paper's rows, by fine-tuned task."""

_ROWS = {"retrieve": RECALLS, **_TASKS}
"""The paper's rows by kind of stage."""


@dataclass(slots=True)
class Outcome:
    """The outcome of one run.

    Attributes:
        values: Values by row of the paper's tables, in the paper's unit; rows without a value are left out.
        sources: Files that each value is computed from, within the folder of runs: metrics first, then what they can
            be recomputed from.
        missing: Reason why there is no value, by row.
        others: Metrics of the tasks that the paper does not have, by task.
        points: Points of pre-training, as in `metrics.jsonl`.
        stages: Content of `stage.json` and of `done.json` of each finished stage, by its name.
    """

    values: dict[str, float] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    others: dict[str, dict[str, float]] = field(default_factory=dict)
    points: list[dict[str, float]] = field(default_factory=list)
    stages: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)


def outcome_of(run: PlannedRun, runs: Path) -> Outcome:
    """Reads the results of a run's stages.

    Args:
        run: Planned run.
        runs: Folder of the runs.

    Raises:
        UserError: if a stage is done and one of its files is missing or damaged.
    """
    found = Outcome()
    for name, folder in run.stages.items():
        if (done := read_note(folder, DONE_FILE)) is not None:
            found.stages[name] = (read_note(folder, STAGE_FILE) or {}, done)
            try:
                if kind_of(name) == "retrieve":
                    _read_retrieval(folder, done, runs, found)
                elif kind_of(name) not in _BEFORE:
                    _read_task(name, folder, done, runs, found)
            except (AttributeError, KeyError, TypeError, IndexError) as error:
                raise UserError(
                    f"{folder}: its metrics are damaged ({error!r:.100}); remove it to make it again"
                ) from None
    for kind, rows in _ROWS.items():
        state = _state(run, [name for name in run.stages if kind_of(name) == kind], found)
        for row in rows:
            if row not in found.values:
                found.missing.setdefault(row, state)
    for name in SUMS:
        _add_sum(found, name)
    if "pretrain" in found.stages:
        found.points = read_metrics(run.stages["pretrain"] / "run" / "metrics.jsonl")
    return found


def kind_of(name: str) -> str:
    """Tells the kind of a stage by its name in a run."""
    return name.partition("/")[0]


def _state(run: PlannedRun, names: list[str], found: Outcome) -> str:
    """Tells why some stages have no result: they or one before them failed, or they are not finished or not begun."""
    before = [name for name in run.stages if kind_of(name) in _BEFORE]
    open_ones = [run.stages[name] for name in (*names, *before) if names and name not in found.stages]
    if any((folder / FAILED_FILE).is_file() for folder in open_ones):
        return FAILED
    if any(name not in found.stages and (run.stages[name] / STAGE_FILE).is_file() for name in names):
        return UNDER_WAY
    return NO_RUN


def _read_task(kind: str, folder: Path, done: Mapping[str, Any], runs: Path, found: Outcome) -> None:
    """Reads the metrics of a fine-tuned task from the first of its results that has any."""
    paths = [folder / name for name in done["results"]]
    contents = (_json(path) for path in paths if path.suffix == ".json")
    metrics = next((content["metrics"] for content in contents if "metrics" in content), None)
    if metrics is None:
        raise KeyError("metrics")
    sources = tuple(path.relative_to(runs).as_posix() for path in paths)
    if kind not in _TASKS:
        found.others[kind] = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
        return
    for row, name in _TASKS[kind].items():
        if metrics[name] is None:
            found.missing[row] = "no Java runtime"
        else:
            _set(found, row, metrics[name] if row in SHARES else 100 * metrics[name], sources)


def _read_retrieval(folder: Path, done: Mapping[str, Any], runs: Path, found: Outcome) -> None:
    paths = [folder / name for name in done["results"]]
    sources = tuple(path.relative_to(runs).as_posix() for path in paths)
    for direction, metrics in _json(paths[0])["directions"].items():
        for k in CUTOFFS:
            _set(found, f"{DIRECTIONS[direction]} R@{k}", 100 * metrics[f"R@{k}"]["value"], sources)


def _add_sum(found: Outcome, name: str) -> None:
    value = total(found.values, name)
    if value is None:
        found.missing[name] = next(found.missing[row] for row in SUMS[name] if row not in found.values)
        return
    sources = dict.fromkeys(source for row in SUMS[name] for source in found.sources[row])
    _set(found, name, value, tuple(sources))


def _set(found: Outcome, row: str, value: float, sources: tuple[str, ...]) -> None:
    found.values[row], found.sources[row] = value, sources


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); remove {path.parents[1]} to make it again") from None
