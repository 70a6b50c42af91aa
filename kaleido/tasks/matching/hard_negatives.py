"""Finds hard negatives: the texts of other products that are most similar to a photo by a two-tower model."""

import numpy as np

from kaleido.records.reader import PhotoRecords
from kaleido.retrieval.cosine_scorer import two_tower_scorer
from kaleido.retrieval.gallery import PhotoGallery
from kaleido.tasks.matching.two_tower import TwoTower
from kaleido.text import Tokenizer

_BATCH = 512


def hardest_texts(
    model: TwoTower, records: PhotoRecords, tokenizer: Tokenizer, max_text_length: int, count: int
) -> np.ndarray:
    """Finds the texts most similar to each photo, without texts that have the same tokens as the photo's own.

    Args:
        model: Two-tower model with the backbone and vocabulary of the records.
        records: Records of one split.
        tokenizer: Tokenizer of their texts.
        max_text_length: Largest number of text positions, including [CLS] and [SEP].
        count: Number of texts K per photo; at most the number of products.

    Returns:
        int64 [n, K], numbers of records that have these texts, unordered; -1 if a photo has fewer than K.
    """
    gallery = PhotoGallery(records, tokenizer, max_text_length)
    scorer = two_tower_scorer(model, gallery, _BATCH)
    worded = records.index.text[gallery.first_photos]
    count = min(count, len(worded))
    found = np.empty((len(records), count), np.int64)
    for start in range(0, len(records), _BATCH):
        rows = slice(start, start + _BATCH)
        cosines = scorer.photos[rows] @ scorer.texts.T
        cosines[records.index.text[rows, None] == worded] = -np.inf
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        fits = np.isfinite(np.take_along_axis(cosines, best, axis=1))
        found[rows] = np.where(fits, gallery.first_photos[best], -1)
    return found
