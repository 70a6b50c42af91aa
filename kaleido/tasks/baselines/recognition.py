"""Recognition baseline: logistic regression on whole-photo features."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kaleido.app.result import Result
from kaleido.errors import UserError
from kaleido.records.catalog_columns import column_labels
from kaleido.records.open import open_records
from kaleido.records.reader import PhotoRecords
from kaleido.records.whole_photos import whole_photo_features
from kaleido.rows import csv_bytes
from kaleido.tasks.baselines.config import RecognitionBaselineConfig
from kaleido.tasks.classification.metrics import recognition


def recognition_baseline(config: RecognitionBaselineConfig) -> Result:
    """Trains logistic regression on the train split and evaluates it on another split.

    The files are `recognition-LABEL-SPLIT.json` and `predictions-LABEL-SPLIT.csv`.

    Raises:
        UserError: if there are no such records or labels, or the training products have fewer than two classes.
    """
    train, held_out = (open_records(Path(config.records), split) for split in ("train", config.split))
    if not isinstance(train, PhotoRecords):
        raise UserError(
            f"{config.records}: the baseline is trained on photo records; name records made from a catalogue"
        )
    names, labels = column_labels(train, config.label, config.catalog)
    _, true = column_labels(held_out, config.label, config.catalog)
    known, labelled = labels >= 0, true >= 0
    if len(np.unique(labels[known])) < 2:
        raise UserError(f"{config.records}: recognising {config.label} needs training products of at least two classes")
    if not labelled.any():
        raise UserError(f"{config.records}: no {config.split} product has a {config.label}; name another split")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=config.strength, max_iter=config.iterations))
    classifier.fit(whole_photo_features(train)[known], labels[known])
    predicted = classifier.predict(whole_photo_features(held_out))
    found = recognition(true[labelled], predicted[labelled], len(names))
    rows = [["photo_id", "label", "predicted"]]
    for photo, label, number in zip(held_out.photo_ids(), true.tolist(), predicted.tolist()):
        rows.append([photo, names[label] if label >= 0 else "", names[number]])
    metrics = {"accuracy": found.accuracy, "macro_f1": found.macro_f1}
    content = {**asdict(config), "model": "logistic regression", "examples": int(labelled.sum()), "metrics": metrics}
    content["classes"] = len(names)
    shown = f"{len(names)} | {labelled.sum():,} | {found.accuracy:.3f} | {found.macro_f1:.3f}"
    table = (
        f"| {config.label}, {config.split} | classes | photos | accuracy | macro-F1 |\n|---|---:|---:|---:|---:|\n"
        f"| logistic regression | {shown} |"
    )
    name = f"{config.label}-{config.split}"
    files = {
        f"predictions-{name}.csv": csv_bytes(rows),
        f"recognition-{name}.json": json.dumps(content, indent=1).encode() + b"\n",
    }
    return Result(metrics, table, files)
