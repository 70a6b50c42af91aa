"""Hard negatives: the texts of other products that a two-tower model finds most similar to a photo."""

import numpy as np

from kaleido.records.reader import PhotoRecords
from kaleido.retrieval.gallery import PhotoGallery
from kaleido.tasks.matching.scorer import two_tower_scorer
from kaleido.tasks.matching.two_tower import TwoTower
from kaleido.text import Tokenizer

_BATCH = 512


def hardest_texts(
    model: TwoTower, records: PhotoRecords, tokenizer: Tokenizer, max_text_length: int, count: int
) -> np.ndarray:
    """Finds the texts of other products that fit each photo best, without those that have the same tokens as its own.

    Args:
        model: Two-tower model of the records' backbone and vocabulary.
        records: Records of one split.
        tokenizer: Tokenizer of their texts.
        max_text_length: Text positions at most, [CLS] and [SEP] included.
        count: Number of texts K; fewer where there are not as many.

    Returns:
        int64 [n, K], records that show these texts, in no order; -1 where a photo has fewer.
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
