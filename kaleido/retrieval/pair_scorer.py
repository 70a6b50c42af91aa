"""Scores many (text, photo) pairs by image-text matching (the paper's tasks ITR and TIR)."""

import time
from collections.abc import Iterator

import numpy as np

from kaleido.backend import keras, ops
from kaleido.constants import PATCHES
from kaleido.model.compiled import compiled
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.progress import tqdm
from kaleido.retrieval.gallery import Gallery

_BLOCK_BYTES = 2**28
"""Memory for the embedded photos that are kept at once."""


class PairScorer:
    """Scores pairs with a model's image-text matching head.

    Work that does not depend on the pair is done once per text or photo: reading, embedding, and the queries, keys and
    values of the first layer. Duplicate pairs are scored once, and the last layer is computed for [CLS] only. Pairs
    are batched by text length, and a batch is padded to its longest text (on JAX, which compiles for every shape, to
    the next multiple of 8).

    Args:
        model: Model with the head `itm`.
        gallery: Gallery that provides texts and photos.
        batch_size: Pairs per step.

    Attributes:
        threshold: Score above which text and photo are predicted to match.
    """

    threshold: float | None = 0.0

    def __init__(self, model: KaleidoBert, gallery: Gallery, batch_size: int = 64):
        self._gallery = gallery
        self._batch_size = batch_size
        self._compiles_shapes = keras.backend.backend() == "jax"
        self._read_text = compiled(model, model.read_text)
        self._read_patches = compiled(model, model.read_patches)

        def margin(text, token_mask, patches):
            logits = ops.cast(model.match(text, token_mask, patches), "float32")
            return logits[:, 1] - logits[:, 0]

        self._match = compiled(model, margin)
        self._block = max(batch_size, _BLOCK_BYTES // (16 * PATCHES * model.config.hidden_size))

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Computes the logit of a match minus the logit of a mismatch for each pair.

        Args:
            texts: int [n], numbers of texts in the gallery.
            photos: int [n], numbers of photos in the gallery.

        Returns:
            float32 [n], higher for better matches.
        """
        count = len(self._gallery.text_ids)
        pairs, places = np.unique(photos.astype(np.int64) * count + texts, return_inverse=True)
        photos, texts = np.divmod(pairs, count)
        found = np.empty(len(pairs), np.float32)
        embedded = self._embedded_texts(np.unique(texts))
        with tqdm(total=len(pairs), desc="score", unit="pair", leave=False) as progress:
            for block, first in self._photo_blocks(np.unique(photos)):
                rows = np.flatnonzero((photos >= block[0]) & (photos <= block[-1]))
                rows = rows[np.argsort(self._gallery.text_lengths[texts[rows]], kind="stable")]
                for start in range(0, len(rows), self._batch_size):
                    batch = rows[start : start + self._batch_size]
                    found[batch] = self._batch(texts[batch], first[np.searchsorted(block, photos[batch])], embedded)
                    progress.update(len(batch))
        return found[places]

    def rate(self) -> float:
        """Measures the pairs scored per second on a batch of texts of median length, after one run to warm up."""
        photos = np.arange(self._batch_size) % len(self._gallery.photo_ids)
        # As in scoring, the texts of a batch have about the same length.
        middle = np.argsort(self._gallery.text_lengths, kind="stable")[len(self._gallery.text_ids) // 2]
        texts = np.full(self._batch_size, middle)
        seconds = 0.0
        patches = self._read_patches(self._gallery.photos(photos))
        embedded = self._embedded_texts(texts[:1])
        for _ in range(2):
            begun = time.perf_counter()
            self._batch(texts, patches, embedded)
            seconds = time.perf_counter() - begun
        return self._batch_size / seconds

    def _batch(self, texts: np.ndarray, patches: np.ndarray, embedded: dict[int, np.ndarray]) -> np.ndarray:
        lengths = self._gallery.text_lengths[texts]
        width, rows = int(lengths.max()), len(texts)
        if self._compiles_shapes:
            width, rows = -(-width // 8) * 8, self._batch_size
        text = np.zeros((rows, width, patches.shape[-1]), patches.dtype)
        for row, item in enumerate(texts.tolist()):
            text[row, : lengths[row]] = embedded[item]
        mask = np.zeros((rows, width), np.int32)
        mask[: len(texts)] = np.arange(width) < lengths[:, None]
        patches = np.concatenate([patches, np.zeros((rows - len(texts), *patches.shape[1:]), patches.dtype)])
        return self._match(text, mask, patches)[: len(texts)]

    def _embedded_texts(self, items: np.ndarray) -> dict[int, np.ndarray]:
        """Computes the output of `read_text` for each text: [length, 4 H]."""
        found = {}
        lengths = self._gallery.text_lengths[items]
        width = int(lengths.max())
        for part in self._parts(items):
            embedded = self._read_text(self._gallery.texts(self._filled(part), width))
            for item, values in zip(part.tolist(), embedded):
                found[item] = values[: self._gallery.text_lengths[item]].copy()
        return found

    def _photo_blocks(self, items: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields blocks of photos within the memory limit: their numbers, and their `read_patches` [n, 55, 4 H]."""
        for start in range(0, len(items), self._block):
            block = items[start : start + self._block]
            parts = [
                self._read_patches(self._gallery.photos(self._filled(part)))[: len(part)] for part in self._parts(block)
            ]
            yield block, np.concatenate(parts)

    def _parts(self, items: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(items), self._batch_size):
            yield items[start : start + self._batch_size]

    def _filled(self, items: np.ndarray) -> np.ndarray:
        """Repeats items to a full batch, so that only one shape is compiled."""
        return np.resize(items, self._batch_size)
