"""Recognition by logistic regression on the features of whole photos, the plain model that anyone would try first."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kaleido.errors import UserError
from kaleido.records.catalog_columns import column_labels
from kaleido.records.open import open_records
from kaleido.records.reader import PhotoRecords
from kaleido.records.whole_photos import whole_photo_features
from kaleido.tasks.baselines.config import RecognitionBaselineConfig


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """What was recognised in the photos of a split.

    Attributes:
        names: Of the classes.
        labels: int [n], -1 where unlabelled.
        predicted: int [n].
        photo_ids: Of the photos.
    """

    names: list[str]
    labels: np.ndarray
    predicted: np.ndarray
    photo_ids: list[str]


def recognize(config: RecognitionBaselineConfig) -> Recognition:
    """Trains on the train split and recognises the products of another.

    Raises:
        UserError: if there are no such records or labels, or fewer than two classes.
    """
    train, held_out = (open_records(Path(config.records), split) for split in ("train", config.split))
    if not isinstance(train, PhotoRecords):
        raise UserError(f"{config.records}: the baseline is trained on records of photos; name those of a catalogue")
    names, labels = column_labels(train, config.label_column, config.catalog)
    _, true = column_labels(held_out, config.label_column, config.catalog)
    known = labels >= 0
    if len(np.unique(labels[known])) < 2:
        raise UserError(
            f"{config.records}: recognising {config.label_column} takes training products of two classes at least"
        )
    if not (true >= 0).any():
        raise UserError(f"{config.records}: no {config.split} product has a {config.label_column}; name another split")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=config.strength, max_iter=config.iterations))
    classifier.fit(whole_photo_features(train)[known], labels[known])
    predicted = classifier.predict(whole_photo_features(held_out))
    return Recognition(names, true, predicted, held_out.photo_ids())
