"""What recognition found: figures, a table of the classes, a confusion picture, and every product's prediction."""

import io
import json
from pathlib import Path

import numpy as np

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.rows import write_csv
from kaleido.tasks.classification.application import Recognition
from kaleido.tasks.classification.metrics import Recognized, recognition

CONFUSION_FILE = "confusion.png"

UNLABELLED = ""


def write_recognition(application: Recognition, split: str) -> str:
    """Writes `recognition-SPLIT.json`, `classes-SPLIT.csv`, `predictions-SPLIT.csv` and `confusion.png` into the run.

    Args:
        application: Whose run has a saved model.
        split: Of its records.

    Returns:
        The figures in Markdown.

    Raises:
        UserError: if no product of the split has the label.
    """
    task, names, directory = application.task, application.names, application.directory
    found = application.run_predict(split)
    labels, probabilities = found[f"{task}_label"], found[task]
    predicted = probabilities.argmax(axis=1)
    known = labels >= 0
    if not known.any():
        raise UserError(f"{application.config.records}: no {split} product has a {task}; name another split")
    result = recognition(labels[known], predicted[known], len(names))
    write_csv(directory / f"classes-{split}.csv", _class_rows(names, result))
    write_csv(
        directory / f"predictions-{split}.csv", _prediction_rows(application, split, labels, predicted, probabilities)
    )
    _write_confusion(directory / CONFUSION_FILE, names, result.confusion)
    metrics = {"accuracy": result.accuracy, "macro_f1": result.macro_f1}
    examples, unseen = int(known.sum()), application.unseen
    content = {"task": task, "split": split, "examples": examples, "unseen": unseen, "metrics": metrics}
    write_atomically(directory / f"recognition-{split}.json", json.dumps(content, indent=1).encode() + b"\n")
    left_out = f"\nleft out: {unseen:,} photos of classes that no training product has" if unseen else ""
    return (
        f"| {task}, {split} | classes | photos | accuracy | macro-F1 |\n|---|---:|---:|---:|---:|\n"
        f"| | {len(names)} | {examples:,} | {result.accuracy:.3f} | {result.macro_f1:.3f} |{left_out}"
    )


def _class_rows(names: list[str], result: Recognized) -> list[list]:
    rows = [["class", "photos", "precision", "recall", "f1"]]
    for number in np.argsort(-result.support, kind="stable"):
        figures = (f"{values[number]:.4f}" for values in (result.precision, result.recall, result.f1))
        rows.append([names[number], result.support[number], *figures])
    return rows


def _prediction_rows(application: Recognition, split: str, labels, predicted, probabilities) -> list[list]:
    rows = [["photo_id", "label", "predicted", "probability"]]
    for row, photo in enumerate(application.open_records(split).photo_ids()):
        label = application.names[labels[row]] if labels[row] >= 0 else UNLABELLED
        probability = f"{probabilities[row, predicted[row]]:.4f}"
        rows.append([photo, label, application.names[predicted[row]], probability])
    return rows


def _write_confusion(path: Path, names: list[str], confusion: np.ndarray) -> None:
    # The Agg canvas needs no screen, and pyplot's global state is left alone.
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
    write_atomically(path, picture.getvalue())
