"""The paper's figures (Tables 2 to 4, Figure 7), from `paper.yaml`, which names their source."""

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
"""What each sum adds up, in percent."""

SHARES = ("CR macro-F", "SUB macro-F")
"""Rows in 0..1; all others are in percent."""

DIGITS = {row: 2 for row in (*RECALLS, "SumR", "CR ACC", "SUB ACC", "SumCLS")}
DIGITS |= dict.fromkeys(SHARES, 3) | dict.fromkeys((*CAPTION, "SumCAP"), 1)
"""Digits after the point that a row is shown with."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the paper.

    Attributes:
        name: `table2`, `table3` or `table4`.
        title: As a heading.
        columns: Names of the models.
        rows: Of each row its figures, column by column; None where the paper has none.
        groups: Columns that are compared with each other, by name; the first is what the others are related to.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]
    groups: Mapping[str, tuple[str, ...]]

    def value(self, row: str, column: str) -> float | None:
        """One figure."""
        return self.rows[row][self.columns.index(column)]

    def baseline(self, column: str) -> str | None:
        """The column that a column is related to; None for such a column itself and outside groups."""
        for columns in self.groups.values():
            if column in columns[1:]:
                return columns[0]
        return None


@dataclass(frozen=True, slots=True)
class Paper:
    """What the paper printed.

    Attributes:
        source: Title, venue, pages; data, backbone, model, training.
        tables: By name.
        exceptions: Figures that are not those of the same model elsewhere, each with its reason.
        same_model: `TABLE/COLUMN` of the full model.
        panels: Of Figure 7.
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
    """The paper's figures."""
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
    """A sum in percent from the rows that it adds up; None where one is missing.

    Args:
        values: By row.
        name: `SumR`, `SumCLS` or `SumCAP`.
    """
    parts = [values.get(row) for row in SUMS[name]]
    if None in parts:
        return None
    return sum(100 * part if row in SHARES else part for row, part in zip(SUMS[name], parts))
