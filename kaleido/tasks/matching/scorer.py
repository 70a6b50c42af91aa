"""Scores of (text, photo) pairs by a matching head that adds to what two towers say."""

from functools import cached_property

import numpy as np
from keras import ops

from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.retrieval.cosine_scorer import CosineScorer, towers_scorer
from kaleido.retrieval.gallery import Gallery
from kaleido.retrieval.pair_scorer import PairScorer
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import Towers


class MatcherScorer:
    """Scores pairs with a matcher, towers and encoder apart, so that each text and photo passes the towers once.

    Args:
        model: Towers and encoder.
        gallery: Whose texts and photos.
        batch_size: Pairs a step.

    Attributes:
        threshold: Scores above it say that text and photo belong together.
    """

    threshold: float | None = 0.0

    def __init__(self, model: Matcher, gallery: Gallery, batch_size: int):
        self._model, self._gallery, self._batch_size = model, gallery, batch_size
        self._pairs = PairScorer(model.bert, gallery, batch_size)

    @cached_property
    def _cosines(self) -> CosineScorer:
        return towers_scorer(self._model.towers, self._gallery, self._batch_size)

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """How much better each pair fits than not: the difference of the two logits.

        Args:
            texts: int [n], items of the gallery.
            photos: int [n].

        Returns:
            float32 [n].
        """
        margins = ops.convert_to_numpy(self._model.margins(self._cosines.scores(texts, photos)))
        return self._pairs.scores(texts, photos) + margins

    def rate(self) -> float:
        """Pairs a second through the encoder."""
        return self._pairs.rate()


def matching_scorer(
    model: KaleidoBert | Matcher | Towers, gallery: Gallery, batch_size: int
) -> PairScorer | MatcherScorer | CosineScorer:
    """What scores the pairs of a gallery with a model that has the head `itm`, or with towers alone."""
    if isinstance(model, Towers):
        return towers_scorer(model, gallery, batch_size)
    kind = MatcherScorer if isinstance(model, Matcher) else PairScorer
    return kind(model, gallery, batch_size)
