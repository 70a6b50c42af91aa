"""Writes the paper's tables with our values beside theirs: for people, for LaTeX, and as CSV."""

import csv
import io
from collections.abc import Mapping

from kaleido.experiments.report.cells import Cell
from kaleido.experiments.report.document import Rows
from kaleido.experiments.report.paper import DIGITS, SUMS, Table

Cells = Mapping[str, Mapping[str, Cell]]

CSV_HEADER = (
    "row", "column", "paper", "paper_relative", "ours", "deviation", "low", "high", "seeds", "relative", "missing",
)  # fmt: skip


def table_rows(table: Table, cells: Cells) -> Rows:
    """Makes two lines a row, the paper's and ours; sums have their change against the baseline in brackets."""
    lines = []
    for row, by_column in cells.items():
        digits, is_sum = DIGITS[row], row in SUMS
        lines.append((row, "paper", *(_paper(cell, digits, is_sum) for cell in by_column.values())))
        lines.append(("", "ours", *(_ours(cell, digits, is_sum) for cell in by_column.values())))
    header = ("", "", *table.columns)
    return Rows(header, tuple(lines), (0, 1), frozenset(range(0, len(lines), 2)))


def table_csv(cells: Cells) -> str:
    """Writes one line a cell, in the row's unit; changes are shares, `low` and `high` the 95 % interval of the mean."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(CSV_HEADER)
    for row, by_column in cells.items():
        for column, cell in by_column.items():
            low, high = cell.interval or (None, None)
            numbers = (cell.paper, cell.paper_relative, cell.mean, cell.deviation, low, high)
            shown = ["" if number is None else f"{number:.6g}" for number in numbers]
            relative = "" if cell.relative is None else f"{cell.relative:.6g}"
            lines.writerow([row, column, *shown, len(cell.values), relative, cell.missing])
    return text.getvalue()


def table_latex(table: Table, cells: Cells, note: str) -> str:
    """Writes a LaTeX `table` with booktabs' lines.

    Args:
        table: Title and columns.
        cells: Cells by row and column.
        note: Differences from the paper, for the caption.
    """
    rows = table_rows(table, cells)
    lines = []
    for number, row in enumerate(rows.rows):
        if number and row[0] in SUMS:
            lines.append(r"\midrule")
        lines.append(" & ".join(map(_escaped, row)) + r" \\")
    groups = ""
    if table.groups:
        at, spans, rules = 3, [], []
        for group, columns in table.groups.items():
            spans.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{_escaped(group)}}}")
            rules.append(rf"\cmidrule(lr){{{at}-{at + len(columns) - 1}}}")
            at += len(columns)
        groups = f" & & {' & '.join(spans)} \\\\\n{' '.join(rules)}\n"
    body = "\n".join(lines)
    return (
        "% needs \\usepackage{booktabs,graphicx}\n"
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{_escaped(table.title)}, the paper's metrics and ours. {_escaped(note)}}}\n"
        f"\\label{{tab:{table.name}}}\n\\resizebox{{\\textwidth}}{{!}}{{%\n"
        f"\\begin{{tabular}}{{ll{'r' * len(table.columns)}}}\n\\toprule\n{groups}"
        f"{' & '.join(map(_escaped, rows.header))} \\\\\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}}}\n"
        "\\end{table*}\n"
    )


def _paper(cell: Cell, digits: int, is_sum: bool) -> str:
    if cell.paper is None:
        return "-"
    return f"{cell.paper:.{digits}f}{_change(cell.paper_relative) if is_sum else ''}"


def _ours(cell: Cell, digits: int, is_sum: bool) -> str:
    if cell.mean is None:
        return cell.missing
    deviation = "" if cell.deviation is None else f" ± {cell.deviation:.{digits}f}"
    return f"{cell.mean:.{digits}f}{deviation}{_change(cell.relative) if is_sum else ''}"


def _change(share: float | None) -> str:
    return "" if share is None else f" ({100 * share:+.1f} %)"


def _escaped(text: str) -> str:
    for sign, written in (("\\", r"\textbackslash "), ("&", r"\&"), ("%", r"\%"), ("_", r"\_"), ("#", r"\#")):
        text = text.replace(sign, written)
    return text.replace(" ± ", r" $\pm$ ")
