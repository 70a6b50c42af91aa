"""Training and validation curves of a run as one picture (the layout of the paper's Figures 6 and 7)."""

from io import BytesIO
from pathlib import Path

from kaleido.app.logs import read_metrics
from kaleido.atomic import write_atomically
from kaleido.model.tasks import CLASSIFICATION_TASKS, RECONSTRUCTION_TASKS, TASKS

FILE = "curves.png"


def save_curves(directory: Path) -> Path | None:
    """Draws `curves.png` from a run's `metrics.jsonl`; None if there is nothing to draw."""
    directory = Path(directory)
    points = read_metrics(directory / "metrics.jsonl")
    if not points:
        return None
    # The Agg canvas needs no screen, and pyplot's global state is left alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6.5), layout="constrained")
    panels = figure.subplots(2, 4).flat
    panel = next(panels)
    _draw(panel, points, "loss/total", "total loss")
    for task in TASKS:
        tag = f"accuracy/{task}" if task in CLASSIFICATION_TASKS else f"loss/{task}"
        panel = next(panels)
        _draw(panel, points, tag, f"{task}: {'divergence' if task in RECONSTRUCTION_TASKS else 'accuracy'}")
        if task in CLASSIFICATION_TASKS:
            panel.set_ylim(0, 1)
    figure.axes[0].legend()
    png = BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    write_atomically(directory / FILE, png.getvalue())
    return directory / FILE


def _draw(panel, points, tag, title):
    for prefix, label, style in (("", "training", "-"), ("validation/", "validation", "o-")):
        line = [(point["step"], point[prefix + tag]) for point in points if prefix + tag in point]
        if line:
            panel.plot(*zip(*line), style, label=label, markersize=3, linewidth=1)
    panel.set_title(title)
    panel.set_xlabel("step")
    panel.grid(alpha=0.3)
