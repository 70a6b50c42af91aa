"""Scores (text, photo) pairs by a two-tower model, alone or together with a matching head."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kaleido.app.predictor import finite
from kaleido.backend import ops
from kaleido.retrieval.cosine_scorer import CosineScorer, two_tower_scorer
from kaleido.retrieval.gallery import Gallery
from kaleido.retrieval.pair_scorer import PairScorer

if TYPE_CHECKING:
    from kaleido.tasks.matching.matcher import Matcher


class MatcherScorer:
    """Scores pairs with a `Matcher`; each text and photo is embedded once by the two-tower model.

    Args:
        model: Matcher: a two-tower model and a cross-modal encoder.
        gallery: Gallery that provides texts and photos.
        batch_size: Pairs per step.

    Attributes:
        threshold: Score above which text and photo are predicted to match.
    """

    threshold: float | None = 0.0

    def __init__(self, model: "Matcher", gallery: Gallery, batch_size: int):
        self._model, self._gallery, self._batch_size = model, gallery, batch_size
        self._pairs = PairScorer(model.bert, gallery, batch_size)

    @cached_property
    def _cosines(self) -> CosineScorer:
        return two_tower_scorer(self._model.two_tower, self._gallery, self._batch_size)

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Computes the logit of a match minus that of a mismatch for each pair; see `PairScorer.scores`."""
        margins = ops.convert_to_numpy(self._model.margins(self._cosines.scores(texts, photos)))
        return self._pairs.scores(texts, photos) + finite(margins)

    def rate(self) -> float:
        """Measures the pairs scored per second by the encoder."""
        return self._pairs.rate()
