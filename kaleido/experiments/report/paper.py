"""Reads the paper's metrics (Tables 2 to 4, Figure 7) from `paper.yaml`, which names their source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("paper.yaml")

RECALLS = tuple(f"{task} R@{k}" for task in ("ITR", "TIR") for k in (1, 5, 10))
RECOGNITION = ("CR ACC", "CR macro-F", "SUB ACC", "SUB macro-F")
CAPTION = ("Bleu-4", "METEOR", "ROUGE-L", "CIDEr")
SUMS: Mapping[str, tuple[str, ...]] = {"SumR": RECALLS, "SumCLS": RECOGNITION, "SumCAP": CAPTION}
"""Rows that each sum adds up, in percent."""

SHARES = ("CR macro-F", "SUB macro-F")
"""Rows in 0..1; all others are in percent."""

DIGITS = {row: 2 for row in (*RECALLS, "SumR", "CR ACC", "SUB ACC", "SumCLS")}
DIGITS |= dict.fromkeys(SHARES, 3) | dict.fromkeys((*CAPTION, "SumCAP"), 1)
"""Digits after the decimal point, by row."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the paper.

    Attributes:
        name: `table2`, `table3` or `table4`.
        title: Heading.
        columns: Names of the models.
        rows: Values of each row, column by column; None where the paper has none.
        groups: Columns that are compared with each other, by name; the first is the baseline of the others.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]
    groups: Mapping[str, tuple[str, ...]]

    def value(self, row: str, column: str) -> float | None:
        """Returns one value."""
        return self.rows[row][self.columns.index(column)]

    def baseline(self, column: str) -> str | None:
        """Returns the baseline of a column; None for a baseline itself and outside groups."""
        for columns in self.groups.values():
            if column in columns[1:]:
                return columns[0]
        return None


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper's metrics.

    Attributes:
        source: Title, venue, pages; data, backbone, model, training.
        tables: Tables by name.
        exceptions: Values that differ from those of the same model elsewhere, each with its reason.
        same_model: `TABLE/COLUMN` of the full model.
        panels: Panels of Figure 7.
        final: Values at the end of Figure 7's last panel, by task.
    """

    source: Mapping[str, str]
    tables: Mapping[str, Table]
    exceptions: tuple[Mapping[str, Any], ...]
    same_model: tuple[str, ...]
    panels: tuple[str, ...]
    final: Mapping[str, float]


@cache
def paper() -> Paper:
    """Reads the paper's metrics."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    tables = {
        name: Table(
            name,
            table["title"],
            tuple(table["columns"]),
            {row: tuple(values) for row, values in table["rows"].items()},
            {group: tuple(columns) for group, columns in table.get("groups", {}).items()},
        )
        for name, table in content["tables"].items()
    }
    figure = content["figure7"]
    return Paper(
        content["source"],
        tables,
        tuple(content["exceptions"]),
        tuple(content["same_model"]),
        tuple(figure["panels"]),
        figure["all"],
    )


def total(values: Mapping[str, float | None], name: str) -> float | None:
    """Adds up a sum in percent from its rows; None where one is missing.

    Args:
        values: Values by row.
        name: `SumR`, `SumCLS` or `SumCAP`.
    """
    parts = [values.get(row) for row in SUMS[name]]
    if None in parts:
        return None
    return sum(100 * part if row in SHARES else part for row, part in zip(SUMS[name], parts))
