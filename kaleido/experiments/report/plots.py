"""Draws the paper's Figures 6 and 7 from our runs, and the ablations as bars."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from kaleido.constants import CLASSIFICATION_TASKS, RECONSTRUCTION_TASKS, TASKS
from kaleido.experiments.report.cells import FIGURE6, FIGURE7, Filled, interval_of, paired_differences
from kaleido.experiments.report.paper import SUMS, paper

KALEIDO_TASKS = ("rotation", "jigsaw", "camouflage", "grey", "blank")
COLOURS = dict(zip(TASKS, ("#4c566a", "#b48ead", "#bf616a", "#d08770", "#e0a030", "#5e9c76", "#4a7fb5")))
OURS, PAPER = "#4a7fb5", "#9aa1ad"


def figure6(filled: Filled) -> bytes:
    """Draws the validation loss of the five kaleido tasks and the total over steps: a line a seed, and their mean."""
    figure, panels = _panels(2, 3, (13, 7))
    runs = [outcome.points for _, outcome in filled.of(FIGURE6, "all")]
    for panel, task in zip(panels, (*KALEIDO_TASKS, "total")):
        lines = [line for points in runs if len((line := curve(points, f"validation/loss/{task}"))[0])]
        for steps, values in lines:
            panel.plot(steps, values, color=COLOURS.get(task, OURS), alpha=0.35 if len(lines) > 1 else 1, linewidth=1)
        if len(lines) > 1:
            panel.plot(*mean_curve(lines), color=COLOURS.get(task, OURS), linewidth=2)
        _finish(panel, f"{task}: validation loss", bool(lines))
    return _png(figure)


def figure7(filled: Filled) -> bytes:
    """Draws accuracies, and divergences of the reconstructing tasks (dashed), of each single-task run and of all."""
    figure, panels = _panels(2, 3, (13, 7.5))
    known = {}
    for panel, name in zip(panels, paper().panels):
        runs = [outcome.points for _, outcome in filled.of(FIGURE7, name)]
        drawn = False
        for task in TASKS:
            lines = [line for points in runs if len((line := curve(points, figure7_tag(task)))[0])]
            if not lines:
                continue
            drawn, style = True, "--" if task in RECONSTRUCTION_TASKS else "-"
            known[task] = panel.plot(*mean_curve(lines), style, color=COLOURS[task], linewidth=1.5)[0]
            if name == "all":
                panel.axhline(paper().final[task], color=COLOURS[task], linewidth=0.6, linestyle=":")
        panel.set_ylim(bottom=0)
        _finish(panel, name, drawn)
    if known:
        names = [f"{task} divergence" if task in RECONSTRUCTION_TASKS else task for task in known]
        figure.legend(list(known.values()), names, loc="outside lower center", ncols=len(known))
    return _png(figure)


def ablations(filled: Filled) -> bytes:
    """Draws the sums of Table 4 against the first column of their group, in points: ours and the paper's.

    Ours are paired by seed, with 95 % intervals.
    """
    table = paper().tables["table4"]
    widths = [len(names) for names in table.groups.values()]
    figure, panels = _panels(len(SUMS), len(table.groups), (14, 8.5), widths)
    places = iter(panels)
    for measure in SUMS:
        for group, (first, *others) in table.groups.items():
            panel, cells = next(places), filled.cells["table4"][measure]
            places_of_bars = np.arange(len(others))
            printed = [cells[column].paper - cells[first].paper for column in others]
            panel.bar(places_of_bars + 0.2, printed, color=PAPER, width=0.36, label="paper")
            drawn = False
            for place, column in enumerate(others):
                differences = list(paired_differences(cells[column], cells[first]).values())
                if not differences:
                    continue
                mean, interval = float(np.mean(differences)), interval_of(differences)
                panel.bar(place - 0.2, mean, color=OURS, width=0.36, label=None if drawn else "ours")
                drawn = True
                if interval:
                    panel.errorbar(
                        place - 0.2, mean, [[mean - interval[0]], [interval[1] - mean]], color="black", capsize=3
                    )
            panel.axhline(0, color="black", linewidth=0.6)
            panel.set_xticks(places_of_bars, others, fontsize=8)
            panel.set_xlim(-0.6, len(others) - 0.4)
            panel.set_title(f"{group}: {measure} against {first}", fontsize=10)
            panel.legend(fontsize=8, title=None if drawn else "ours: no run")
    return _png(figure)


def figure7_tag(task: str) -> str:
    """Names the value in a training log that Figure 7 shows of a task."""
    return f"validation/{'accuracy' if task in CLASSIFICATION_TASKS else 'loss'}/{task}"


def curve(points: Sequence[Mapping[str, float]], tag: str) -> tuple[np.ndarray, np.ndarray]:
    """Selects steps and values of the points that have a tag."""
    found = [(point["step"], point[tag]) for point in points if tag in point]
    steps, values = zip(*found) if found else ((), ())
    return np.array(steps), np.array(values)


def mean_curve(lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Averages lines over the steps that all of them have."""
    steps = lines[0][0]
    for other, _ in lines[1:]:
        steps = np.intersect1d(steps, other)
    return steps, np.mean([values[np.isin(own, steps)] for own, values in lines], axis=0)


def _panels(rows: int, columns: int, size: tuple[float, float], widths: list[int] | None = None):
    # The Agg canvas needs no screen, and pyplot's global state is left alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, width_ratios=widths, squeeze=False).flat)


def _finish(panel, title: str, drawn: bool) -> None:
    panel.set_title(title, fontsize=10)
    panel.set_xlabel("step")
    panel.grid(alpha=0.3)
    if not drawn:
        panel.text(0.5, 0.5, "no run", transform=panel.transAxes, ha="center")


def _png(figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    png = BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return png.getvalue()
