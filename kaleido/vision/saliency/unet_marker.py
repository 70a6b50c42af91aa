"""Prepares photos for the saliency network, and turns its logits into masks."""

import numpy as np
from PIL import Image
from scipy import ndimage

from kaleido.vision.saliency.base import Saliency

SIDE = 96
"""Side of the network's input in pixels."""


class UnetMarker(Saliency):
    """Marks the product by logits of the network, which it does not have itself.

    The whole photo is squeezed into the network's square: letterboxing would spend a quarter of the pixels of a photo
    of 3:4 on bars, and the bars' edges look like edges of the photo. Where nothing is found, the whole photo is taken.
    """

    MIN_SHARE = 0.05
    """A part of the mask that is smaller than this share of its largest part is dropped: a speck would stretch the box,
    and the second shoe must stay."""

    def squeeze(self, photo: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BICUBIC))

    def mark(self, photo: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
        if scores is None:
            raise ValueError("scores of the network are missing")
        height, width = photo.shape[:2]
        likely = np.where(_large_parts(scores > 0, self.MIN_SHARE), 1 / (1 + np.exp(-np.clip(scores, -30, 30))), 0)
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
