"""The features of whole photos: level 1 of the kaleido patches."""

import numpy as np

from kaleido.progress import tqdm
from kaleido.records.reader import PhotoRecords
from kaleido.vision.crops import ROTATIONS

_PART = 256


def whole_photo_features(records: PhotoRecords) -> np.ndarray:
    """Reads the feature of each record's whole product, not rotated: float32 [n, D]."""
    found = np.empty((len(records), records.feature_size), np.float32)
    for start in tqdm(range(0, len(records), _PART), f"read {records.split}", leave=False):
        rows = np.arange(start, min(start + _PART, len(records)))
        found[rows] = records.table[records.first_rows[rows] + ROTATIONS.start]
    return found
