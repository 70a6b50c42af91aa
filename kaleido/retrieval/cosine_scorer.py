"""Scores (text, photo) pairs by the cosine similarity of their embeddings.

Embeddings are rounded to multiples of 2^-26, which changes a cosine by less than float32 would. Every partial sum of a
product of two of them is then a multiple of 2^-52 below 2, which float64 holds exactly: a score depends neither on the
order of the sum nor on the block of a matrix product, and equal embeddings have equal scores.
"""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from kaleido.compiled import compiled
from kaleido.progress import tqdm
from kaleido.retrieval.config import Direction
from kaleido.retrieval.gallery import Gallery

_PAIRS = 2**16
"""Number of pairs that are multiplied at once."""

_GRID = 2.0**26
"""Inverse of the step that embeddings are rounded to."""


class CosineScorer:
    """Scores pairs of a gallery by cosine similarity; every text and photo is embedded once.

    Args:
        gallery: Gallery that provides texts and photos.
        texts: Computes the embeddings of some texts: float32 [n, E], of length 1.
        photos: Computes the embeddings of some photos: float32 [n, E], of length 1.
        batch_size: Number of texts or photos that are embedded at once.

    Attributes:
        threshold: Always None, because scores only order the candidates.
        texts: Text embeddings, float32 [T, E].
        photos: Image embeddings, float32 [P, E].
    """

    threshold: float | None = None

    def __init__(
        self,
        gallery: Gallery,
        texts: Callable[[np.ndarray], np.ndarray],
        photos: Callable[[np.ndarray], np.ndarray],
        batch_size: int,
    ):
        self.texts = _embeddings("embed texts", texts, len(gallery.text_ids), batch_size)
        self.photos = _embeddings("embed photos", photos, len(gallery.photo_ids), batch_size)

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Computes the cosine similarity of each pair: float32 [n]."""
        found = np.empty(len(texts), np.float32)
        for start in range(0, len(texts), _PAIRS):
            rows = slice(start, start + _PAIRS)
            sides = self.texts[texts[rows]].astype(float), self.photos[photos[rows]].astype(float)
            found[rows] = np.einsum("ne,ne->n", *sides)
        return found

    def matrix(self, direction: Direction, queries: np.ndarray) -> np.ndarray:
        """Computes the cosine similarity of some photos (`i2t`) or texts (`t2i`) and all candidates: float64 [n, C]."""
        asking, asked = (self.photos, self._all_texts) if direction == "i2t" else (self.texts, self._all_photos)
        return asking[queries].astype(float) @ asked.T

    @cached_property
    def _all_texts(self) -> np.ndarray:
        return self.texts.astype(float)

    @cached_property
    def _all_photos(self) -> np.ndarray:
        return self.photos.astype(float)

    def rate(self) -> float:
        """Measures the pairs scored per second, without the time for embedding."""
        begun = time.perf_counter()
        self.scores(*np.resize(np.arange(min(len(self.texts), len(self.photos))), (2, _PAIRS)))
        return _PAIRS / (time.perf_counter() - begun)


def two_tower_scorer(model: Any, gallery: Gallery, batch_size: int) -> CosineScorer:
    """Makes a scorer of the pairs of a gallery by a model that embeds texts alone and photos alone.

    Args:
        model: Keras model with `text_embeddings` and `image_embeddings` of a batch.
        gallery: Gallery that provides texts and photos.
        batch_size: Number of texts or photos that are embedded at once.
    """
    width = int(gallery.text_lengths.max())
    embed_texts, embed_photos = compiled(model, model.text_embeddings), compiled(model, model.image_embeddings)
    return CosineScorer(
        gallery,
        lambda items: embed_texts(gallery.texts(items, width)),
        lambda items: embed_photos(gallery.photos(items)),
        batch_size,
    )


def _embeddings(what: str, embed: Callable[[np.ndarray], np.ndarray], count: int, batch_size: int) -> np.ndarray:
    found = []
    for start in tqdm(range(0, count, batch_size), what, leave=False, unit="batch"):
        # Always a full batch, so that only one shape is compiled.
        items = np.arange(start, min(start + batch_size, count))
        found.append(embed(np.resize(items, batch_size))[: len(items)])
    # Exact in float32: its values below 1/8 are rounded, larger ones are multiples of the step already.
    return np.rint(np.concatenate(found) * np.float32(_GRID)) / np.float32(_GRID)
