"""Writes the report: the paper's tables and figures, ours beside theirs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.atomic import write_together
from kaleido.constants import RECONSTRUCTION_TASKS, TASKS
from kaleido.experiments.ledger import Ledger, read_ledger
from kaleido.experiments.report.cells import FIGURE7, Cell, Filled, fill
from kaleido.experiments.report.differences import differences, warning
from kaleido.experiments.report.document import Block, Heading, Paragraph, Picture, Rows, markdown, page
from kaleido.experiments.report.findings import Finding, findings
from kaleido.experiments.report.paper import paper
from kaleido.experiments.report.plots import ablations, curve, figure6, figure7, figure7_tag
from kaleido.experiments.report.tables import table_csv, table_latex, table_rows

FORMAT = "kaleido report 2"
PAGE, TEXT, DATA = "report.html", "report.md", "report.json"


def write_report(runs: Path, directory: Path) -> str:
    """Writes `report.md`, `.html` and `.json`, and each table as `.csv` and `.tex`.

    Args:
        runs: Folder that `experiments` wrote.
        directory: Folder of the report.

    Returns:
        A line that says how much of it is filled.

    Raises:
        UserError: if there are no such runs, or a file of theirs is damaged.
    """
    ledger = read_ledger(runs)
    filled = fill(ledger)
    found = findings(filled)
    blocks = report_blocks(ledger, filled, found)
    files = {}
    for name, table in paper().tables.items():
        files[f"{name}.csv"] = table_csv(filled.cells[name]).encode()
        files[f"{name}.tex"] = table_latex(table, filled.cells[name], warning(ledger, filled)).encode()
    files |= {block.name: block.png for block in blocks if isinstance(block, Picture)}
    files |= {TEXT: markdown(blocks).encode(), PAGE: page(blocks).encode()}
    files[DATA] = json.dumps(report_data(ledger, filled, found), indent=1).encode() + b"\n"
    write_together(directory, files)
    wanted = [cell for cell in _every_cell(filled) if cell.planned]
    full = sum(bool(cell.values) for cell in wanted)
    return f"{full} of {len(wanted)} cells of ours are filled"


def report_blocks(ledger: Ledger, filled: Filled, found: list[Finding]) -> list[Block]:
    """Puts the report together, part by part."""
    source = paper().source
    blocks: list[Block] = [
        Heading("The paper's tables and figures, ours beside theirs", 1),
        Paragraph(warning(ledger, filled), note=True),
        Paragraph(
            f'The paper: {source["authors"]}, "{source["title"]}", {source["venue"]}, pages {source["pages"]}. Ours: '
            "mean ± standard deviation over seeds. A cell of ours that has no run says so. Where each value comes from "
            f"is in `{DATA}`."
        ),
        Heading("What differs"),
        Rows(("", "paper", "ours"), tuple(differences(ledger, filled)), (0, 1, 2)),
        Heading("Do the paper's orderings hold here?"),
        Paragraph(
            "Differences in percent points, paired by seed, with a 95 % interval by Student's t over seeds. An "
            "ordering holds where the whole interval is on its side of 0."
        ),
        _finding_rows(found),
    ]
    for name, table in paper().tables.items():
        blocks += [Heading(table.title), table_rows(table, filled.cells[name])]
        if table.groups:
            bases = ", ".join(columns[0] for columns in table.groups.values())
            blocks += [
                Paragraph(f"In brackets the change against the first column of the group: {bases}."),
                Paragraph(_exceptions()),
                Picture("ablations.png", ablations(filled), "Sums of table 4 against the first column of their group"),
            ]
        else:
            blocks.append(Paragraph("The other models are not ours to run: their columns are the paper's alone."))
    blocks += [
        Heading("Figure 6: validation loss of the full model"),
        Picture("figure6.png", figure6(filled), "Validation loss of the five kaleido tasks and the total over steps"),
        Heading("Figure 7: accuracy and divergence"),
        Picture("figure7.png", figure7(filled), "Accuracy and divergence of single-task runs and of all tasks"),
        Paragraph("Dotted lines: the final values of the paper's last panel, read off its figure."),
        _final_rows(filled),
    ]
    if others := _other_rows(filled):
        blocks += [
            Heading("Tasks that the paper does not have"),
            Rows(("experiment", "task", "metric", "ours"), others, (0, 1, 2)),
        ]
    return blocks


def report_data(ledger: Ledger, filled: Filled, found: list[Finding]) -> dict[str, Any]:
    """Converts everything to JSON types: every cell with its values by seed and the files that they come from."""
    return {
        "format": FORMAT,
        "preset": dict(ledger.preset),
        "differences": [dict(zip(("what", "paper", "ours"), row)) for row in differences(ledger, filled)],
        "tables": {
            table: {row: {column: _cell_data(cell) for column, cell in cells.items()} for row, cells in rows.items()}
            for table, rows in filled.cells.items()
        },
        "others": [dict(zip(("experiment", "task", "metric", "ours"), row)) for row in _other_rows(filled)],
        "findings": [
            {
                **asdict(finding),
                "claim": finding.claim.text,
                "better": finding.claim.better,
                "worse": finding.claim.worse,
                "paper": round(finding.paper, 6),
                "mean": finding.mean,
                "interval": finding.interval,
            }
            for finding in found
        ],
        "curves": {
            f"{run.experiment}, seed {run.seed}": (run.stages["pretrain"] / "run" / "metrics.jsonl")
            .relative_to(ledger.runs)
            .as_posix()
            for run, outcome in filled.outcomes
            if outcome.points
        },
    }


def _cell_data(cell: Cell) -> dict[str, Any]:
    return {**asdict(cell), "mean": cell.mean, "deviation": cell.deviation, "interval": cell.interval}


def _finding_rows(found: list[Finding]) -> Rows:
    rows = []
    for finding in found:
        mean, interval = finding.mean, finding.interval
        shown = "" if mean is None else f"{mean:+.2f}"
        bounds = finding.reason if interval is None else f"[{interval[0]:+.2f}, {interval[1]:+.2f}]"
        verdict = f"**{finding.verdict}**" if finding.reason == "" else f"{finding.verdict}"
        rows.append((finding.claim.text, finding.measure, f"{finding.paper:+.2f}", shown, bounds, verdict))
    header = ("the paper's ordering", "by", "paper's difference", "ours", "95 % interval", "here it")
    return Rows(header, tuple(rows), (0, 1, 5))


def _exceptions() -> str:
    told = [
        f"{given['row']} of {given['column']} is {paper().tables[given['table']].value(given['row'], given['column'])} "
        f"in the paper, elsewhere {given['elsewhere']}: {given['reason']}"
        for given in paper().exceptions
    ]
    return "As printed: " + "; ".join(told) + "."


def _final_rows(filled: Filled) -> Rows:
    rows = []
    for task in TASKS:
        ends = [curve(outcome.points, figure7_tag(task))[1] for _, outcome in filled.of(FIGURE7, "all")]
        values = [float(line[-1]) for line in ends if len(line)]
        deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        ours = f"{np.mean(values):.3f}{deviation}" if values else "no run"
        kind = "divergence" if task in RECONSTRUCTION_TASKS else "accuracy"
        rows.append((task, kind, f"about {paper().final[task]}", ours))
    return Rows(("at the end of the panel all", "", "paper", "ours"), tuple(rows), (0, 1))


def _other_rows(filled: Filled) -> tuple[tuple[str, ...], ...]:
    """Lists the metrics of other tasks: mean ± deviation over seeds."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for run, outcome in filled.outcomes:
        for task, metrics in outcome.others.items():
            for name, value in metrics.items():
                found.setdefault((run.experiment, task, name), []).append(value)
    rows = []
    for key, values in found.items():
        deviation = f" ± {np.std(values, ddof=1):.4g}" if len(values) > 1 else ""
        rows.append((*key, f"{np.mean(values):.4g}{deviation}"))
    return tuple(rows)


def _every_cell(filled: Filled) -> list[Cell]:
    return [cell for rows in filled.cells.values() for cells in rows.values() for cell in cells.values()]
