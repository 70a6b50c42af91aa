"""What a trained model says of photos and texts, as tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.catalog.photo_list import PhotoList
from kaleido.pretrained.predictor import Predictor
from kaleido.pretrained.processor import PhotoReader
from kaleido.pretrained.signatures import CLASSIFY
from kaleido.rows import write_csv, write_jsonl

BEST = ("label", "second", "third")
"""The likeliest classes, by the names of their columns."""


def write_predictions(predictor: Predictor, reader: PhotoReader, photos: PhotoList, directory: Path) -> str:
    """Writes `predictions.csv` and the same as `predictions.jsonl`, a photo a row, in their order.

    Of a recogniser the three likeliest classes with their probabilities; of a model that matches the text, its score
    against the photo and the probability that they belong together.

    Args:
        predictor: Answers.
        reader: Of the same model.
        photos: With their texts.
        directory: Where to write.

    Returns:
        What was skipped and what was written, for people.

    Raises:
        UserError: if a photo cannot be read and the reader stops, or none can.
    """
    rows = []
    for listed, batch in reader.batches(photos):
        answers = predictor(batch, [photo.text for photo in listed])
        for place, photo in enumerate(listed):
            if predictor.answers == CLASSIFY:
                found = _best(answers["probabilities"][place], predictor.names)
            else:
                found = {"text": photo.text, **{name: _figure(answers[name][place]) for name in answers}}
            rows.append({**photo.key, **found})
    write_jsonl(directory / "predictions.jsonl", rows)
    write_csv(directory / "predictions.csv", [[*rows[0]], *([*row.values()] for row in rows)])
    done = f"{len(rows):,} predictions are in {directory / 'predictions.csv'} and .jsonl"
    return "\n".join([*reader.skipped(photos), done])


def _best(probabilities: np.ndarray, names: list[str]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for column, number in zip(BEST, np.argsort(-probabilities, kind="stable")):
        found[column] = names[number]
        found["probability" if column == BEST[0] else f"{column}_probability"] = _figure(probabilities[number])
    return found


def _figure(value: np.float32) -> float:
    return round(float(value), 6)
