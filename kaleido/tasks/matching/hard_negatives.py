"""Texts that towers take for a photo's own: what a matching head learns most from."""

import numpy as np

from kaleido.records.reader import PhotoRecords
from kaleido.retrieval.cosine_scorer import towers_scorer
from kaleido.retrieval.gallery import PhotoGallery
from kaleido.tasks.matching.two_tower import Towers
from kaleido.text import Tokenizer

_BATCH = 512


def mistaken_texts(
    towers: Towers, records: PhotoRecords, tokenizer: Tokenizer, max_text_length: int, count: int
) -> np.ndarray:
    """Of each photo the other texts that fit it best, those left out that are worded as its own.

    Args:
        towers: Of the records' backbone and vocabulary.
        records: Of one split.
        tokenizer: That their texts were cut with.
        max_text_length: Text positions at most, [CLS] and [SEP] included.
        count: Texts wanted; fewer where there are not as many.

    Returns:
        int64 [n, K], records that show these texts, in no order; -1 where a photo has fewer.
    """
    gallery = PhotoGallery(records, tokenizer, max_text_length)
    scorer = towers_scorer(towers, gallery, _BATCH)
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
