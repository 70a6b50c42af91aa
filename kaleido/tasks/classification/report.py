"""Report of recognition: metrics, metrics by class, a confusion matrix, and the prediction for every photo."""

import io
import json
from collections.abc import Sequence

import numpy as np

from kaleido.app.result import Result
from kaleido.rows import csv_bytes
from kaleido.tasks.classification.metrics import Recognized, recognition


def recognition_result(
    task: str,
    split: str,
    names: Sequence[str],
    photos: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    unseen: int = 0,
) -> Result:
    """Computes the metrics of predicted probabilities and makes the files of the report.

    The files are `recognition-SPLIT.json`, `classes-SPLIT.csv`, `predictions-SPLIT.csv` and `confusion.png`.

    Args:
        task: Name of the task.
        split: Split of the records.
        names: Names of the C classes.
        photos: Ids of the n photos.
        labels: int [n], true classes; -1 where unlabelled. At least one photo is labelled.
        probabilities: float [n, C], predicted probabilities.
        unseen: Number of photos of classes without training products.
    """
    predicted, known = probabilities.argmax(axis=1), labels >= 0
    found = recognition(labels[known], predicted[known], len(names))
    metrics = {"accuracy": found.accuracy, "macro_f1": found.macro_f1}
    examples = int(known.sum())
    content = {"task": task, "split": split, "examples": examples, "unseen": unseen, "metrics": metrics}
    left_out = f"\nleft out: {unseen:,} photos of classes that no training product has" if unseen else ""
    table = (
        f"| {task}, {split} | classes | photos | accuracy | macro-F1 |\n|---|---:|---:|---:|---:|\n"
        f"| | {len(names)} | {examples:,} | {found.accuracy:.3f} | {found.macro_f1:.3f} |{left_out}"
    )
    files = {
        f"classes-{split}.csv": csv_bytes(_class_rows(names, found)),
        f"predictions-{split}.csv": csv_bytes(_prediction_rows(names, photos, labels, predicted, probabilities)),
        "confusion.png": _confusion(names, found.confusion),
        f"recognition-{split}.json": json.dumps(content, indent=1).encode() + b"\n",
    }
    return Result(metrics, table, files)


def _class_rows(names: Sequence[str], found: Recognized) -> list[list]:
    rows = [["class", "photos", "precision", "recall", "f1"]]
    for number in np.argsort(-found.support, kind="stable"):
        metrics = (f"{values[number]:.4f}" for values in (found.precision, found.recall, found.f1))
        rows.append([names[number], found.support[number], *metrics])
    return rows


def _prediction_rows(names: Sequence[str], photos: Sequence[str], labels, predicted, probabilities) -> list[list]:
    rows = [["photo_id", "label", "predicted", "probability"]]
    for row, photo in enumerate(photos):
        label = names[labels[row]] if labels[row] >= 0 else ""
        rows.append([photo, label, names[predicted[row]], f"{probabilities[row, predicted[row]]:.4f}"])
    return rows


def _confusion(names: Sequence[str], confusion: np.ndarray) -> bytes:
    """Draws the confusion matrix, of the classes that occur, as a PNG."""
    # The Agg canvas needs no display, and pyplot's global state is not touched.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    present = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    shown = confusion[np.ix_(present, present)]
    side = 3 + 0.22 * len(present)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shown / np.maximum(shown.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(present)), [names[number] for number in present], rotation=90, fontsize=7)
    axes.set_yticks(range(len(present)), [names[number] for number in present], fontsize=7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true; each row adds up to 1")
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()
