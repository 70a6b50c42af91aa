"""What the baseline of recognition found."""

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

from kaleido.atomic import write_atomically
from kaleido.tasks.baselines.config import RecognitionBaselineConfig
from kaleido.tasks.baselines.recognition import Recognition
from kaleido.tasks.classification.metrics import recognition


def write_recognition_baseline(config: RecognitionBaselineConfig, found: Recognition) -> str:
    """Writes `recognition-LABEL-SPLIT.json` and `predictions-LABEL-SPLIT.csv`.

    Returns:
        The figures in Markdown.
    """
    known = found.labels >= 0
    result = recognition(found.labels[known], found.predicted[known], len(found.names))
    name = f"{config.label_column}-{config.split}"
    rows = [["photo_id", "label", "predicted"]]
    for photo, label, predicted in zip(found.photo_ids, found.labels.tolist(), found.predicted.tolist()):
        rows.append([photo, found.names[label] if label >= 0 else "", found.names[predicted]])
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_atomically(Path(config.output) / f"predictions-{name}.csv", text.getvalue().encode())
    metrics = {"accuracy": result.accuracy, "macro_f1": result.macro_f1}
    content = {**asdict(config), "model": "logistic regression", "examples": int(known.sum()), "metrics": metrics}
    content["classes"] = len(found.names)
    path = Path(config.output) / f"recognition-{name}.json"
    write_atomically(path, json.dumps(content, indent=1).encode() + b"\n")
    figures = f"{len(found.names)} | {known.sum():,} | {result.accuracy:.3f} | {result.macro_f1:.3f}"
    return (
        f"| {config.label_column}, {config.split} | classes | photos | accuracy | macro-F1 |\n"
        f"|---|---:|---:|---:|---:|\n"
        f"| logistic regression | {figures} |\n"
        f"figures and predictions are in {config.output}"
    )
