"""Fills the cells of the paper's tables: the paper's values, and those of the runs.

Every value is read from a file that a stage wrote, and the cell says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from kaleido.errors import UserError
from kaleido.experiments.ledger import Ledger, PlannedRun
from kaleido.experiments.report.outcomes import Outcome, outcome_of
from kaleido.experiments.report.paper import Table, paper

CONFIDENCE = 0.95
FIGURE6, FIGURE7 = "figure6", "figure7"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        paper: The paper's value, in its unit; None where it has none.
        values: Our values in the same unit, by seed.
        sources: Files that each value is computed from, within the folder of runs, by seed.
        missing: Reason why there is no value of ours; empty if there is one.
        planned: Whether a run is planned for it; other authors' models have none.
        relative: Relative change of our mean against the column's baseline; None for a baseline.
        paper_relative: Relative change of the paper's value, likewise.
    """

    paper: float | None
    values: Mapping[int, float]
    sources: Mapping[int, tuple[str, ...]]
    missing: str
    planned: bool
    relative: float | None = None
    paper_relative: float | None = None

    @property
    def mean(self) -> float | None:
        """Mean over seeds."""
        return float(np.mean(list(self.values.values()))) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over seeds; None of fewer than two."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the mean over seeds, by Student's t; None of fewer than two."""
        return interval_of(list(self.values.values()))


def interval_of(values: list[float]) -> tuple[float, float] | None:
    """Computes the mean's 95 % interval by Student's t; None of fewer than two values."""
    if len(values) < 2:
        return None
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - float(half), mean + float(half)


def paired_differences(cell: Cell, other: Cell) -> dict[int, float]:
    """Subtracts the values of two cells, for each seed that both have."""
    return {seed: value - other.values[seed] for seed, value in cell.values.items() if seed in other.values}


@dataclass(frozen=True, slots=True)
class Filled:
    """All runs, and the tables that they fill.

    Attributes:
        outcomes: Runs and their outcomes.
        cells: Cells by table, row and column.
    """

    outcomes: tuple[tuple[PlannedRun, Outcome], ...]
    cells: Mapping[str, Mapping[str, Mapping[str, Cell]]]

    def of(self, place: str, name: str) -> list[tuple[PlannedRun, Outcome]]:
        """Selects the runs that fill a column of a table, or a panel of a figure."""
        return [(run, outcome) for run, outcome in self.outcomes if run.cells.get(place) == name]


def check_cells(experiments: Mapping[str, Mapping[str, Any]]) -> None:
    """Checks that the columns that experiments fill are the paper's.

    Args:
        experiments: Cells of each experiment, by name.

    Raises:
        UserError: naming the first experiment that fills something else.
    """
    known = {name: table.columns for name, table in paper().tables.items()}
    known |= {FIGURE6: ("all",), FIGURE7: paper().panels}
    for experiment, cells in experiments.items():
        for place, name in cells.items():
            if place not in known:
                raise UserError(f"{experiment}: cells must be of {', '.join(known)}. Received: {place}")
            if name not in known[place]:
                columns = ", ".join(known[place])
                raise UserError(f"{experiment}: {place} has no column {name}; there are {columns}")


def fill(ledger: Ledger) -> Filled:
    """Reads the outcomes of all runs, and fills the tables."""
    check_cells({run.experiment: run.cells for run in ledger.planned})
    # Runs with the same stages are the same model: read once.
    read: dict[frozenset[Path], Outcome] = {}
    outcomes = []
    for run in ledger.planned:
        key = frozenset(run.stages.values())
        if key not in read:
            read[key] = outcome_of(run, ledger.runs)
        outcomes.append((run, read[key]))
    filled = Filled(tuple(outcomes), {})
    return replace(filled, cells={name: _table(table, filled) for name, table in paper().tables.items()})


def _table(table: Table, filled: Filled) -> dict[str, dict[str, Cell]]:
    found = {}
    for row in table.rows:
        cells = {column: _cell(table, row, column, filled) for column in table.columns}
        found[row] = {column: _related(cell, cells.get(table.baseline(column))) for column, cell in cells.items()}
    return found


def _cell(table: Table, row: str, column: str, filled: Filled) -> Cell:
    values, sources, missing = {}, {}, []
    for run, outcome in filled.of(table.name, column):
        if (value := outcome.values.get(row)) is not None:
            values[run.seed], sources[run.seed] = value, outcome.sources[row]
        else:
            missing.append(outcome.missing.get(row, "no run"))
    reason = "" if values else (missing[0] if missing else "no run")
    return Cell(table.value(row, column), values, sources, reason, bool(values or missing))


def _related(cell: Cell, baseline: Cell | None) -> Cell:
    if baseline is None:
        return cell
    changes = {
        "relative": _change(cell.mean, baseline.mean),
        "paper_relative": _change(cell.paper, baseline.paper),
    }
    return replace(cell, **changes)


def _change(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base - 1
