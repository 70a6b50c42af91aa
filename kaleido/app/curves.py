"""Training and validation curves of a run as one picture (the layout of the paper's Figures 6 and 7)."""

from io import BytesIO
from pathlib import Path

import numpy as np

from kaleido.app.logs import read_metrics
from kaleido.atomic import write_atomically
from kaleido.constants import EVERY_TASK, RECONSTRUCTION_TASKS

FILE = "curves.png"


def save_curves(directory: Path) -> Path | None:
    """Draws `curves.png` from a run's `metrics.jsonl`; returns its path, or None if there is nothing to draw."""
    directory = Path(directory)
    points = read_metrics(directory / "metrics.jsonl")
    if not points:
        return None
    # The Agg canvas needs no screen, and pyplot's global state is left alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tags = _tags(points)
    rows = -(-len(tags) // 4)
    figure = Figure(figsize=(3.5 * min(len(tags), 4), 3.25 * rows), layout="constrained")
    for panel, tag in zip(np.ravel(figure.subplots(rows, min(len(tags), 4))), tags):
        kind, _, task = tag.partition("/")
        name = "divergence" if task in RECONSTRUCTION_TASKS else kind
        _draw(panel, points, tag, "total loss" if task == "total" else f"{task}: {name}")
        if kind == "accuracy":
            panel.set_ylim(0, 1)
    figure.axes[0].legend()
    png = BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    write_atomically(directory / FILE, png.getvalue())
    return directory / FILE


def _tags(points):
    """Lists the total loss and, for each task, its accuracy if it has one, else its loss."""
    found = {tag.removeprefix("validation/") for point in points for tag in point}
    names = {tag.partition("/")[2] for tag in found if tag.startswith("loss/")} - {"total"}
    tasks = [task for task in EVERY_TASK if task in names] + sorted(names - set(EVERY_TASK))
    return ["loss/total"] + [f"accuracy/{task}" if f"accuracy/{task}" in found else f"loss/{task}" for task in tasks]


def _draw(panel, points, tag, title):
    for prefix, label, style in (("", "training", "-"), ("validation/", "validation", "o-")):
        line = [(point["step"], point[prefix + tag]) for point in points if prefix + tag in point]
        if line:
            panel.plot(*zip(*line), style, label=label, markersize=3, linewidth=1)
    panel.set_title(title)
    panel.set_xlabel("step")
    panel.grid(alpha=0.3)
