"""Finds the product in a photo by the trained network."""

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from scipy import ndimage

from kaleido.vision.saliency.base import Saliency
from kaleido.vision.saliency.unet import SIDE
from kaleido.vision.saliency.weights import SHIPPED, load_network


class UnetSaliency(Saliency):
    """Marks the product, together with its wearer if there is one, before a background of any kind.

    The whole photo is squeezed into the network's square: letterboxing would spend a quarter of the pixels of a photo
    of 3:4 on bars, and the bars' edges look like edges of the photo. Where nothing is found, the whole photo is taken.

    Args:
        weights: Folder of a network that `kaleido saliency train` wrote; by default the one of the package.

    Raises:
        UserError: if the network cannot be read.
    """

    MIN_SHARE = 0.05
    """A part of the mask that is smaller than this share of its largest part is dropped: a speck would stretch the box,
    and the second shoe must stay."""

    _lock: AbstractContextManager = nullcontext()

    def __init__(self, weights: str | Path | None = None):
        self.network = load_network(Path(weights or SHIPPED))
        # As for the backbones: on a CPU TensorFlow's own kernels are faster than XLA's.
        self.network.compile(jit_compile=keras.backend.backend() != "tensorflow")
        if keras.backend.backend() == "jax":
            # On JAX, Keras donates the weights' buffers during a call, so two threads must not call it at once.
            self._lock = threading.Lock()
        # Compiled here, and not by several threads at once.
        self.network.predict_on_batch(np.zeros((1, SIDE, SIDE, 3), np.uint8))

    def mask(self, photo: np.ndarray) -> np.ndarray:
        height, width = photo.shape[:2]
        squeezed = np.asarray(Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        with self._lock:
            logits = np.asarray(self.network.predict_on_batch(squeezed[None]))[0]
        likely = np.where(_large_parts(logits > 0, self.MIN_SHARE), 1 / (1 + np.exp(-np.clip(logits, -30, 30))), 0)
        spread = Image.fromarray(likely.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
        mask = np.asarray(spread) > 0.5
        return mask if mask.any() else np.ones_like(mask)


def _large_parts(mask: np.ndarray, min_share: float) -> np.ndarray:
    """Selects the connected parts with at least this share of the largest one's area, and all that is off the mask."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if not count:
        return ~mask
    sizes = np.bincount(labels.ravel())
    kept = sizes >= min_share * sizes[1:].max()
    kept[0] = True
    return kept[labels]
