"""What one run came to: the values of the paper's rows, the training curves, and what they depend on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaleido.app.logs import read_metrics
from kaleido.errors import UserError
from kaleido.experiments.ledger import DONE_FILE, FAILED_FILE, STAGE_FILE, PlannedRun, read_note
from kaleido.experiments.report.paper import CAPTION, RECALLS, RECOGNITION, SUMS, total

NO_RUN, FAILED, UNDER_WAY = "no run", "failed", "not finished"
_BEFORE = ("catalog", "import", "records", "pretrain", "matching")
DIRECTIONS = {"i2t": "ITR", "t2i": "TIR"}


@dataclass(slots=True)
class Outcome:
    """What one run came to.

    Attributes:
        values: By row of the paper's tables, in the paper's unit; rows without a value are left out.
        sources: Of each value, the files it is computed from, within the folder of runs: figures first, then what
            they can be recomputed from.
        missing: Of each other row, why.
        points: Of pre-training, as `metrics.jsonl` has them.
        stages: Of each kind that is done, what it depends on (`stage.json`) and what it took (`done.json`).
    """

    values: dict[str, float] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    points: list[dict[str, float]] = field(default_factory=list)
    stages: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)


def outcome_of(run: PlannedRun, runs: Path) -> Outcome:
    """Reads what a run's stages wrote.

    Args:
        run: Which.
        runs: Folder of the runs.

    Raises:
        UserError: if a stage is done and one of its files is missing or damaged.
    """
    found = Outcome()
    for kind, folder in run.stages.items():
        if (done := read_note(folder, DONE_FILE)) is not None:
            found.stages[kind] = (read_note(folder, STAGE_FILE) or {}, done)
    for kind, (rows, read) in _READERS.items():
        names = [name for name in run.stages if name.split("_")[0] == kind]
        for name in names:
            if name in found.stages:
                _try(read, run.stages[name], runs, found)
        state = _state(run, names, found)
        for row in rows:
            if row not in found.values:
                found.missing.setdefault(row, state)
    for name in SUMS:
        _add_sum(found, name)
    if "pretrain" in found.stages:
        found.points = read_metrics(run.stages["pretrain"] / "run" / "metrics.jsonl")
    return found


def _try(read: Callable[[Path, Path, Outcome], None], folder: Path, runs: Path, found: Outcome) -> None:
    try:
        read(folder, runs, found)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: its figures are damaged ({error!r:.100}); remove it to make it again") from None


def _state(run: PlannedRun, names: list[str], found: Outcome) -> str:
    """Why there is nothing of some stages: they failed or one before them, or are being made, or wait."""
    before = [name for name in run.stages if name.split("_")[0] in _BEFORE]
    open_ones = [run.stages[name] for name in (*names, *before) if names and name not in found.stages]
    if any((folder / FAILED_FILE).is_file() for folder in open_ones):
        return FAILED
    if any(name not in found.stages and (run.stages[name] / STAGE_FILE).is_file() for name in names):
        return UNDER_WAY
    return NO_RUN


def _recognition(prefix: str) -> Callable[[Path, Path, Outcome], None]:
    def read(folder: Path, runs: Path, found: Outcome) -> None:
        path = _only(folder, "recognition-*.json")
        split = path.stem.removeprefix("recognition-")
        sources = _within(runs, path, folder / "run" / f"predictions-{split}.csv")
        metrics = _json(path)["metrics"]
        _set(found, f"{prefix} ACC", 100 * metrics["accuracy"], sources)
        _set(found, f"{prefix} macro-F", metrics["macro_f1"], sources)

    return read


def _captions(folder: Path, runs: Path, found: Outcome) -> None:
    path = _only(folder, "captions-*.json")
    sources = _within(runs, path, path.with_suffix(".jsonl"))
    metrics = _json(path)["metrics"]
    for row in CAPTION:
        if metrics[row] is None:
            found.missing[row] = "no Java runtime"
        else:
            _set(found, row, 100 * metrics[row], sources)


def _retrieval(folder: Path, runs: Path, found: Outcome) -> None:
    path = _only(folder, "retrieval-*.json")
    sources = _within(runs, path, path.with_name(f"{path.stem}-scores.npz"))
    for direction, figures in _json(path)["directions"].items():
        for k in (1, 5, 10):
            _set(found, f"{DIRECTIONS[direction]} R@{k}", 100 * figures[f"R@{k}"]["value"], sources)


_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Path, Path, Outcome], None]]] = {
    "retrieve": (RECALLS, _retrieval),
    "category": (RECOGNITION[:2], _recognition("CR")),
    "subcategory": (RECOGNITION[2:], _recognition("SUB")),
    "caption": (CAPTION, _captions),
}


def _add_sum(found: Outcome, name: str) -> None:
    value = total(found.values, name)
    if value is None:
        found.missing[name] = next(found.missing[row] for row in SUMS[name] if row not in found.values)
        return
    sources = dict.fromkeys(source for row in SUMS[name] for source in found.sources[row])
    _set(found, name, value, tuple(sources))


def _set(found: Outcome, row: str, value: float, sources: tuple[str, ...]) -> None:
    found.values[row], found.sources[row] = value, sources


def _only(folder: Path, pattern: str) -> Path:
    paths = sorted((folder / "run").glob(pattern))
    if len(paths) != 1:
        raise UserError(
            f"{folder / 'run'}: a finished stage has one {pattern}; remove {folder} to make it again. "
            f"Received: {len(paths)}"
        )
    return paths[0]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); remove {path.parents[1]} to make it again") from None


def _within(runs: Path, *paths: Path) -> tuple[str, ...]:
    return tuple(path.relative_to(runs).as_posix() for path in paths)
