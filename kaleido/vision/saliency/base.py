"""Finds mask and box of a photo's product: the first half of the Kaleido Patch Generator (paper section 3.1).

`unet` uses a small trained network, as the paper's authors did. `border` is for photos on a plain background, and
`none` takes the whole photo; both serve as comparisons.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from kaleido.pictures import MIN_SIDE


class Saliency(ABC):
    """Finds the product in photos: `squeeze` and `mark` for each photo, and between them `scores` for several at once.

    Only `scores` needs a network, so that the rest can run in processes without a deep-learning library.
    """

    @property
    def marker(self) -> "Saliency":
        """The same method without its network, to be sent to another process."""
        return self

    def squeeze(self, photo: np.ndarray) -> np.ndarray | None:
        """Makes what `scores` reads of a photo, uint8 [s, s, 3]; None where there is no network."""
        return None

    def scores(self, squeezed: np.ndarray) -> np.ndarray:
        """Computes what `mark` needs from the network: uint8 [n, s, s, 3] -> float32 [n, s, s]."""
        raise NotImplementedError(f"{type(self).__name__} has no network")

    @abstractmethod
    def mark(self, photo: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
        """Marks the product.

        Args:
            photo: uint8 [H, W, 3].
            scores: float32 [s, s], the photo's row of `scores`; None where there is no network.

        Returns:
            bool [H, W], True on the product, with at least one pixel True.
        """

    def masks(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Marks the products of photos uint8 [H, W, 3], as `mark` does."""
        squeezed = [row for photo in photos if (row := self.squeeze(photo)) is not None]
        scores = self.scores(np.stack(squeezed)) if squeezed else [None] * len(photos)
        return [self.mark(*row) for row in zip(photos, scores, strict=True)]

    def mask(self, photo: np.ndarray) -> np.ndarray:
        """Marks the product of one photo."""
        return self.masks([photo])[0]


class NoSaliency(Saliency):
    """Marks the whole photo as the product."""

    def mark(self, photo: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
        return np.ones(photo.shape[:2], bool)


class BorderSaliency(Saliency):
    """Marks everything that differs from the colour along the photo's border.

    The background's colour is the median of the border, so that a product that runs out of the photo does not disturb
    it, and the threshold grows with the border's own variation. Where nothing stands out, the whole photo is taken.

    Args:
        min_distance: Minimum difference from the background in any channel, 0..255. The default is above what JPEG
            artefacts add to plain white and still finds off-white cloth.
        min_area: Patches smaller than this part of the photo are specks and are dropped.
    """

    BORDER = 0.02
    """Width of the border as a part of the photo's shorter side."""

    DEVIATIONS = 6.0
    """Minimum distance of a product's pixel, in robust standard deviations of the border."""

    def __init__(self, min_distance: float = 12.0, min_area: float = 0.001):
        self.min_distance = min_distance
        self.min_area = min_area

    def mark(self, photo: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
        height, width = photo.shape[:2]
        ring = np.ones((height, width), bool)
        inset = max(1, round(self.BORDER * min(height, width)))
        ring[inset:-inset, inset:-inset] = False

        background = np.median(photo[ring], axis=0)
        distance = np.abs(photo - background).max(axis=-1)
        spread = 1.4826 * np.median(distance[ring])  # of a normal distribution: its standard deviation
        product = distance > max(self.min_distance, self.DEVIATIONS * spread)

        labels, _ = ndimage.label(product, structure=np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())
        kept = sizes >= self.min_area * height * width
        kept[0] = False  # label 0 is the background
        mask = kept[labels]
        return mask if mask.any() else np.ones_like(mask)


def box_of(mask: np.ndarray, min_side: int = MIN_SIDE) -> tuple[int, int, int, int]:
    """Computes the tight box around a mask, enlarged within the photo to `min_side` pixels where it is smaller.

    Args:
        mask: bool [H, W], at least `min_side` a side and with at least one pixel True.
        min_side: Minimum side of the box in pixels; 5 gives each cell of the 5x5 grid a pixel.

    Returns:
        (x1, y1, x2, y2) in pixels, x2 and y2 exclusive.
    """
    y1, y2 = _extent(mask.any(axis=1), min_side)
    x1, x2 = _extent(mask.any(axis=0), min_side)
    return x1, y1, x2, y2


def _extent(occupied: np.ndarray, min_side: int) -> tuple[int, int]:
    places = np.flatnonzero(occupied)
    if not places.size or occupied.size < min_side:
        raise ValueError(f"mask is empty or has less than {min_side} pixels a side")
    start, stop = int(places[0]), int(places[-1]) + 1
    if stop - start < min_side:
        start = min(max(0, start - (min_side - (stop - start)) // 2), occupied.size - min_side)
        stop = start + min_side
    return start, stop
