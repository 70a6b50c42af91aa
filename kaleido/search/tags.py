"""Labels of photos from free text, without training: the texts of labels are compared with photos."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.signatures import ENCODE_IMAGE, ENCODE_TEXT
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.rejects import OnError
from kaleido.catalog.table import nearest
from kaleido.errors import UserError
from kaleido.pretrained.hub import load
from kaleido.pretrained.model import BATCH_SIZE, Model
from kaleido.pretrained.processor import prepare_config_of
from kaleido.progress import progress_bars
from kaleido.records.splits import assign_splits
from kaleido.rows import csv_bytes
from kaleido.search.fields import fields_of
from kaleido.search.products import Products, TableReading, open_products
from kaleido.search.vectors import embed

MOST_LABELS = 10_000

_PLACE = "{label}"
_ENOUGH = 100
"""Validation products from which on they alone calibrate; of fewer, training products are taken as well."""


@dataclass(frozen=True)
class Calibration:
    """Result of the search for a threshold.

    Attributes:
        threshold: Least cosine of a label that is given.
        photos: Number of photos of products that have the attribute, none of them of the test split.
        splits: Splits that they are of.
        accuracy: Share of these photos whose most similar label is their own.
        precision: Share of the labels given that are right.
        recall: Share of the photos that are given their own label.
    """

    threshold: float
    photos: int
    splits: tuple[str, ...]
    accuracy: float
    precision: float
    recall: float

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.3f}, calibrated on {self.photos:,} photos ({' and '.join(self.splits)}): "
            f"accuracy of the best label {self.accuracy:.1%}, of the labels given {self.precision:.1%} are right, "
            f"{self.recall:.1%} of the photos are given their own"
        )


@dataclass(frozen=True)
class Tags:
    """Labels of photos.

    Attributes:
        labels: All labels.
        ids: Product of each photo.
        photos: Key of each photo.
        found: For each photo the labels given and their cosines, the most similar first; none where all are below the
            threshold.
        calibration: How the threshold was found; None where it was given, or there is none.
        skipped: Photos and rows that were left out, and why, a line each.
        notes: What else the caller should know, a line each.
    """

    labels: Sequence[str]
    ids: Sequence[str]
    photos: Sequence[str]
    found: Sequence[Sequence[tuple[str, float]]]
    calibration: Calibration | None = None
    skipped: Sequence[str] = ()
    notes: Sequence[str] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Gives a row a photo: `id`, `photo`, `labels` and `scores`."""
        return [
            {
                "id": product,
                "photo": photo,
                "labels": [label for label, _ in found],
                "scores": [round(score, 4) for _, score in found],
            }
            for product, photo, found in zip(self.ids, self.photos, self.found)
        ]

    def csv(self) -> bytes:
        """Writes the rows as CSV; several labels of a photo are separated by `|`."""
        rows = (
            [row["id"], row["photo"], "|".join(row["labels"]), "|".join(map(str, row["scores"]))] for row in self.rows()
        )
        return csv_bytes([["id", "photo", "labels", "scores"], *rows])


class Tagger:
    """Compares vectors of photos with the texts of labels.

    Args:
        model: Two-tower model, or one with such.
        labels: Labels, in words that the model knows.
        prompts: Texts that a label is put into, in place of `{label}`; a label's vector is the mean of theirs.

    Attributes:
        labels: The labels.
        vectors: float32 [L, d], of length 1.

    Raises:
        UserError: if there is no label, one is empty or there twice, or the model cannot encode texts.
    """

    def __init__(self, model: Model, labels: Sequence[str], prompts: Sequence[str] = (_PLACE,)):
        for name in (ENCODE_TEXT, ENCODE_IMAGE):
            model._require(name, name in model.signatures)
        self.labels = [label.strip() for label in labels]
        if not self.labels or len(self.labels) > MOST_LABELS:
            raise UserError(f"give from 1 to {MOST_LABELS:,} labels. Received: {len(self.labels):,}")
        if twice := sorted({label for label in self.labels if not label or self.labels.count(label) > 1}):
            raise UserError(f"labels must be different and not empty. Received: {', '.join(map(repr, twice[:5]))}")
        if not prompts or (wrong := [prompt for prompt in prompts if _PLACE not in prompt]):
            raise UserError(
                f"a prompt must have {_PLACE}, where the label is put. Received: {wrong[0] if prompts else 'none'}"
            )
        texts = [prompt.replace(_PLACE, label) for label in self.labels for prompt in prompts]
        vectors = model.encode_text(texts, progress=False).reshape(len(self.labels), len(prompts), -1).mean(axis=1)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def scores(self, photos: np.ndarray) -> np.ndarray:
        """Computes the cosines of photos [n, d] and labels: float32 [n, L]."""
        return np.asarray(photos, np.float32) @ self.vectors.T

    def best(self, photos: np.ndarray, top: int = 3, threshold: float | None = None) -> list[list[tuple[str, float]]]:
        """Gives the most similar labels of photos [n, d], at most `top` and none below the threshold."""
        if top < 1:
            raise UserError(f"top must be at least 1. Received: {top}")
        found = []
        for row in self.scores(photos):
            places = np.argsort(-row, kind="stable")[:top]
            found.append(
                [
                    (self.labels[place], float(row[place]))
                    for place in places
                    if threshold is None or row[place] >= threshold
                ]
            )
        return found


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Reads labels from a text file, one a line; empty lines and those that begin with # are left out.

    Raises:
        UserError: if the file cannot be read or has no label.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"{path}: labels cannot be read: {reason}") from None
    labels = list(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.startswith("#")))
    if not labels:
        raise UserError(f"{path}: no label in it; write one a line")
    return labels


def tag(
    source: str | os.PathLike[str] | Catalog | Products,
    labels: Sequence[str] | None,
    model: str | os.PathLike[str] | Model,
    *,
    column: str | None = None,
    prompts: Sequence[str] = (_PLACE,),
    threshold: float | None = None,
    top: int = 1,
    vectors: str | os.PathLike[str] | None = None,
    reading: TableReading = TableReading(),
    batch_size: int = BATCH_SIZE,
    on_error: OnError = "stop",
    progress: bool = True,
) -> Tags:
    """Gives photos the labels whose texts are most similar, without training.

    Args:
        source: A catalogue, a folder of photos, or a table, as `embed` takes them.
        labels: Labels in words that the model knows; None are the values of `column`.
        model: Two-tower model, or what `load` takes for it.
        column: Column of the source whose values are labels; the threshold is calibrated on products that have it, of
            the splits that the model was trained on or validated with, never of the test split.
        prompts: Texts that a label is put into, in place of `{label}`.
        threshold: Least cosine of a label that is given; None calibrates it by `column`, without which there is none.
        top: Largest number of labels of a photo.
        vectors: Parquet file with the vectors of the source, which is made or completed; None keeps none.
        reading: How a table is read.
        batch_size: Photos at once.
        on_error: What an unusable photo or row does.
        progress: Whether progress bars are drawn.

    Raises:
        UserError: if there are no labels, no product has the column, or the model cannot encode photos and texts.
    """
    model = model if isinstance(model, Model) else load(model, progress=progress)
    products = open_products(source, reading, on_error)
    own = _values(products, column) if column is not None else {}
    if labels is None and column is None:
        raise UserError("give labels, or a column whose values are the labels")
    tagger = Tagger(model, sorted(set(own.values())) if labels is None else labels, prompts)
    options: dict[str, Any] = {"batch_size": batch_size, "on_error": on_error, "progress": progress}
    with tempfile.TemporaryDirectory() as folder, progress_bars(progress):
        place = Path(folder) / "vectors.parquet" if vectors is None else Path(vectors)
        found = embed(products, model, place, kinds=("image",) if vectors is None else None, **options)
    if found.image is None:
        raise UserError(f"{vectors}: has no vectors of the kind image; name another file")
    calibration, notes = None, list(found.notes)
    if threshold is None and column is not None:
        calibration = _calibrate(tagger, found.image, found.ids, own, products, model)
        threshold = calibration.threshold
    elif threshold is None:
        notes.append("no threshold: every photo is given its most similar labels, right or not")
    best = tagger.best(found.image, top, threshold)
    return Tags(tagger.labels, found.ids, found.photos, best, calibration, found.skipped, notes)


def _values(products: Products, column: str) -> dict[str, str]:
    """Values of a column by product, of those that have one."""
    found = {
        product.id: value for product in products.products if (value := fields_of(product).get(column, "").strip())
    }
    if not found:
        known = sorted({name for product in products.products for name in fields_of(product)})
        raise UserError(
            f"{products.place}: no product has the column {column!r}{nearest(column, known)}; there are "
            f"{', '.join(known) or 'none'}"
        )
    return found


def _calibrate(
    tagger: Tagger,
    photos: np.ndarray,
    ids: Sequence[str],
    own: Mapping[str, str],
    products: Products,
    model: Model,
) -> Calibration:
    """Finds the threshold with the best F1 on products that have the attribute and are not of the test split."""
    config = prepare_config_of(model.config, model.directory)
    fractions = config.validation_fraction, config.test_fraction, config.seed
    split_of = dict(zip((one.id for one in products.products), assign_splits(products.products, *fractions)))
    numbers = {label: number for number, label in enumerate(tagger.labels)}
    rows = [row for row, name in enumerate(ids) if own.get(name) in numbers and split_of[name] != "test"]
    splits: tuple[str, ...] = ("train", "validation")
    validation = [row for row in rows if split_of[ids[row]] == "validation"]
    if len(validation) >= _ENOUGH:
        rows, splits = validation, ("validation",)
    if not rows:
        raise UserError(
            f"{products.place}: no product outside of the test split has one of the labels, so no threshold can be "
            "calibrated; give --threshold"
        )
    truth = np.array([numbers[own[ids[row]]] for row in rows])
    scores = tagger.scores(photos[rows])
    best = scores.argmax(axis=1)
    right = best == truth
    order = np.argsort(-scores.max(axis=1), kind="stable")
    hits = np.cumsum(right[order])
    given = np.arange(1, len(rows) + 1)
    f1 = 2 * hits / (given + len(rows))
    cut = int(f1.argmax())
    return Calibration(
        float(scores.max(axis=1)[order[cut]]),
        len(rows),
        splits,
        float(right.mean()),
        float(hits[cut] / given[cut]),
        float(hits[cut] / len(rows)),
    )
