"""Scores many (text, photo) pairs by image-text matching (the paper's tasks ITR and TIR)."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from kaleido.app.predictor import finite
from kaleido.backend import keras, ops
from kaleido.compiled import compiled
from kaleido.constants import PATCHES
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.progress import tqdm
from kaleido.retrieval.gallery import Gallery

_BLOCK_BYTES = 2**28
"""Memory for the embedded photos that are kept at once."""


class PairScorer:
    """Scores pairs with a model's image-text matching head.

    What depends on the photo alone is computed once and stays on the device: embedding, and the first layer's queries,
    keys and values. Of a text it is computed with each of its pairs, 1 % of the work, so that no text is kept.
    Duplicate pairs are scored once, and the last layer is computed for [CLS] only. Pairs are batched by text length,
    and a batch is padded to its longest text (on JAX, which compiles for every shape, to the next multiple of 8). A
    batch is prepared while the device computes the one before it.

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
        self._read_patches = compiled(model, model.read_patches, fetch=False)

        def margins(texts: dict[str, Any], patches: Any, places: Any) -> Any:
            chosen = ops.take(patches, places, axis=0)
            logits = ops.cast(model.match(model.read_text(texts), texts["token_mask"], chosen), "float32")
            return logits[:, 1] - logits[:, 0]

        self._margins = compiled(model, margins, fetch=False)
        self._block = max(1, _BLOCK_BYTES // (16 * PATCHES * model.config.hidden_size * batch_size)) * batch_size

    def scores(self, texts: np.ndarray, photos: np.ndarray) -> np.ndarray:
        """Computes the logit of a match minus the logit of a mismatch for each pair.

        Args:
            texts: int [n], numbers of texts in the gallery.
            photos: int [n], numbers of photos in the gallery.

        Returns:
            float32 [n], higher for better matches.

        Raises:
            UserError: if a score is not finite.
        """
        count = len(self._gallery.text_ids)
        pairs, places = np.unique(photos.astype(np.int64) * count + texts, return_inverse=True)
        photos, texts = (side.astype(np.int32) for side in np.divmod(pairs, count))
        found = np.empty(len(pairs), np.float32)
        with tqdm(total=len(pairs), desc="score", unit="pair", leave=False) as progress:
            for block, patches in self._photo_blocks(np.unique(photos)):
                rows = np.arange(*np.searchsorted(photos, [block[0], block[-1] + 1]))
                rows = rows[np.argsort(self._gallery.text_lengths[texts[rows]], kind="stable")]
                before = None
                for batch in self._parts(rows):
                    margins = self._batch(texts[batch], patches, np.searchsorted(block, photos[batch]))
                    self._fetch(before, found, progress)
                    before = batch, margins
                self._fetch(before, found, progress)
        return finite(found)[places]

    def rate(self, seconds: float = 0.0) -> float:
        """Measures the pairs scored per second, on at least one batch; the first batch of a length is not timed.

        As in scoring, the texts of a batch have about the same length: the median of the gallery's, then others in turn
        until the time is over, as evenly spread as so many batches can be.
        """
        order = np.argsort(self._gallery.text_lengths, kind="stable")
        block, patches = next(self._photo_blocks(np.arange(min(self._batch_size, len(self._gallery.photo_ids)))))
        places = np.arange(self._batch_size) % len(block)
        elapsed, batches, warm = 0.0, 0, set()
        while not batches or elapsed < seconds:
            # Steps of the golden ratio leave no gap for long, whenever they stop.
            middle = int((0.5 + 0.618034 * batches) % 1 * len(order))
            texts = np.resize(order[max(0, middle - self._batch_size // 2) :][: self._batch_size], self._batch_size)
            width = int(self._gallery.text_lengths[texts].max())
            for _ in range(1 if width in warm or (warm and not self._compiles_shapes) else 2):
                begun = time.perf_counter()
                ops.convert_to_numpy(self._batch(texts, patches, places))
                last = time.perf_counter() - begun
            warm.add(width)
            elapsed, batches = elapsed + last, batches + 1
        return self._batch_size * batches / elapsed

    def _batch(self, texts: np.ndarray, patches: Any, places: np.ndarray) -> Any:
        """Starts to compute the scores of texts and places in `patches`: float32, [n] or filled up."""
        width = int(self._gallery.text_lengths[texts].max())
        if self._compiles_shapes:
            width, texts, places = -(-width // 8) * 8, self._filled(texts), self._filled(places)
        return self._margins(self._gallery.texts(texts, width), patches, places.astype(np.int32))

    @staticmethod
    def _fetch(started: tuple[np.ndarray, Any] | None, found: np.ndarray, progress: tqdm) -> None:
        """Waits for a batch that was started, if any, and puts its scores in their places."""
        if started:
            batch, margins = started
            found[batch] = ops.convert_to_numpy(margins)[: len(batch)]
            progress.update(len(batch))

    def _photo_blocks(self, items: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """Yields blocks of photos within the memory limit: their numbers, and their `read_patches` [n, 55, 4 H].

        All blocks have the same n; behind the last photo others are repeated.
        """
        size = min(self._block, len(items))
        for block in self._parts(items, self._block):
            parts = [self._read_patches(self._gallery.photos(self._filled(part))) for part in self._parts(block)]
            parts += parts[:1] * (-(-size // self._batch_size) - len(parts))
            yield block, ops.concatenate(parts)

    def _parts(self, items: np.ndarray, size: int | None = None) -> Iterator[np.ndarray]:
        size = size or self._batch_size
        return (items[start : start + size] for start in range(0, len(items), size))

    def _filled(self, items: np.ndarray) -> np.ndarray:
        """Repeats items to a full batch, so that only one shape is compiled."""
        return np.resize(items, self._batch_size)
