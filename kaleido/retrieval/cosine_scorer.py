"""Scores (text, photo) pairs by the cosine similarity of their embeddings, by itself or normalised by a bank.

Embeddings are rounded to multiples of 2^-26, which changes a cosine by less than float32 would. Every partial sum of a
product of two of them is then a multiple of 2^-52 below 2, which float64 holds exactly: a score depends neither on the
order of the sum nor on the block of a matrix product, and equal embeddings have equal scores.
"""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import logsumexp

from kaleido.app.predictor import finite
from kaleido.backend import keras
from kaleido.compiled import compiled
from kaleido.progress import tqdm
from kaleido.retrieval.config import Direction
from kaleido.retrieval.gallery import Gallery

_PAIRS = 2**16
"""Number of pairs that are multiplied at once."""

_BLOCK = 2**24
"""Number of cosines that are summed up at once."""

_GRID = 2.0**26
"""Inverse of the step that embeddings are rounded to."""


class CosineScorer:
    """Scores pairs of a gallery by cosine similarity; every text and photo is embedded once.

    Args:
        gallery: Gallery that provides texts and photos.
        texts: Computes the embeddings of some texts: float32 [n, E], of length 1.
        photos: Computes the embeddings of some photos: float32 [n, E], of length 1.
        batch_size: Number of texts or photos that are embedded at once.
        scale: Inverse temperature of the model.

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
        scale: float = 1.0,
    ):
        self.scale = scale
        self.texts = _embeddings("embed texts", texts, len(gallery.text_ids), batch_size)
        self.photos = _embeddings("embed photos", photos, len(gallery.photo_ids), batch_size)
        self._offsets = np.zeros(len(self.texts)), np.zeros(len(self.photos))

    def normalise(self, bank: "CosineScorer") -> None:
        """Lowers the scores of texts and photos that are similar to everything (query-bank normalisation).

        A training brings its own photos closer to texts of all kinds than other photos, and they would stand before
        these. A score becomes cos - log(sum of exp(scale * cos)) / scale, the sum over the texts of a bank and the
        photo, and likewise over the bank's photos and the text: among photos, the logarithm of the probability that
        the loss of the training gives the text among the bank's (Bogolin et al., "Cross Modal Retrieval with
        Querybank Normalisation", CVPR 2022).

        Args:
            bank: Texts and photos, for example those of the training; a text that occurs again counts once.
        """
        self._offsets = (
            bank_offsets(self.texts, bank.photos, self.scale),
            bank_offsets(self.photos, np.unique(bank.texts, axis=0), self.scale),
        )

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Computes the score of each pair: float32 [n]."""
        found = np.empty(len(texts), np.float32)
        for start in range(0, len(texts), _PAIRS):
            rows = slice(start, start + _PAIRS)
            sides = self.texts[texts[rows]].astype(float), self.photos[photos[rows]].astype(float)
            cosines = np.einsum("ne,ne->n", *sides)
            # One of the two is the same for all candidates of a query.
            found[rows] = cosines - self._offsets[0][texts[rows]] - self._offsets[1][photos[rows]]
        return found

    def matrix(self, direction: Direction, queries: np.ndarray) -> np.ndarray:
        """Computes the scores of some photos (`i2t`) or texts (`t2i`) and all candidates: float64 [n, C]."""
        asking, asked = (self.photos, self._all_texts) if direction == "i2t" else (self.texts, self._all_photos)
        scores = asking[queries].astype(float) @ asked.T
        scores -= self._offsets[0 if direction == "i2t" else 1]
        return scores

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
        model: Keras model with `text_embeddings` and `image_embeddings` of a batch, and the logarithm of its inverse
            temperature, `scale`.
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
        float(np.exp(keras.ops.convert_to_numpy(model.scale))),
    )


def _embeddings(what: str, embed: Callable[[np.ndarray], np.ndarray], count: int, batch_size: int) -> np.ndarray:
    found = []
    for start in tqdm(range(0, count, batch_size), what, leave=False, unit="batch"):
        # Always a full batch, so that only one shape is compiled.
        items = np.arange(start, min(start + batch_size, count))
        found.append(embed(np.resize(items, batch_size))[: len(items)])
    # Exact in float32: its values below 1/8 are rounded, larger ones are multiples of the step already.
    return np.rint(finite(np.concatenate(found)) * np.float32(_GRID)) / np.float32(_GRID)


def bank_offsets(items: np.ndarray, bank: np.ndarray, scale: float) -> np.ndarray:
    """Computes log(sum of exp(scale * cos)) / scale over a bank, for each item: float64 [n]."""
    found, bank = np.empty(len(items)), bank.T.astype(np.float32)
    rows = max(1, _BLOCK // bank.shape[1])
    for start in range(0, len(items), rows):
        block = slice(start, start + rows)
        found[block] = logsumexp(scale * (items[block] @ bank), axis=1) / scale
    # Of few bits, so that differences of scores stay exact.
    return np.rint(found * _GRID) / _GRID
