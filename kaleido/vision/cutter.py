"""Decodes and cuts photos: the half of their features that needs no deep-learning library."""

from dataclasses import dataclass

import numpy as np

from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS
from kaleido.vision.crops import LEVEL_ROWS, cut
from kaleido.vision.patches import MIN_SIDES, Grid, cells, positions
from kaleido.vision.photo import decode
from kaleido.vision.product import cell_mask, encode_product
from kaleido.vision.saliency import Saliency, box_of

KEPT_PIXELS = 64_000_000
"""Pixels that are kept of the photos of a group while the network looks at them; those beyond are decoded again."""


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """A photo that could not be read; `reason` is one line without its name."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class PhotoGeometry:
    """Geometry and product picture of a photo, which need no backbone.

    Attributes:
        key: Key of the item.
        positions: float32 [55, 5], [x1, x2, y1, y2, w*h] of each patch, normalised to 0..1.
        box: int32 [4], [x1, y1, x2, y2] of the product in pixels.
        product: Picture of the product, as `encode_product` returns it.
        cells: uint8 [14, 14], the product's share of each cell of the box, as `cell_mask` returns it.
        width: Width of the photo in pixels.
        height: Height of the photo in pixels.
    """

    key: str
    positions: np.ndarray
    box: np.ndarray
    product: bytes
    cells: np.ndarray
    width: int
    height: int


Read = tuple[str, bytes | np.ndarray | PhotoFailure]
"""Key of a photo, and an encoded picture, uint8 [H, W, 3], or why there is none."""

Cut = tuple[list[PhotoGeometry | PhotoFailure], dict[int, np.ndarray]]
"""Photos of a group in their order, and by size the crops of the usable ones, uint8 [n, m, s, s, 3]."""


def rows_of_sizes(crop_sizes: tuple[int, ...]) -> dict[int, np.ndarray]:
    """Lists by crop size which of a photo's 74 rows have that size: int [m]."""
    rows: dict[int, list[int]] = {size: [] for size in crop_sizes}
    for size, level in zip(crop_sizes, LEVEL_ROWS, strict=True):
        rows[size] += range(level.start, level.stop)
    return {size: np.array(of_size) for size, of_size in rows.items()}


class Cutter:
    """Takes a group of photos at a time: `open`, then `cut` with the scores of the saliency net.

    Args:
        marker: Method that finds the product, without its network.
        crop_sizes: Sides of the crops of levels 1 to 5, in pixels.
        grid: Grid that the box is cut by.
        max_megapixels: Largest photo, in millions of pixels; see `decode`.
    """

    def __init__(
        self, marker: Saliency, crop_sizes: tuple[int, ...], grid: Grid, max_megapixels: float = MAX_MEGAPIXELS
    ):
        self._marker = marker
        self._crop_sizes = crop_sizes
        self._grid = grid
        self._max_megapixels = max_megapixels
        self._opened: list[tuple[Read, np.ndarray | None]] = []

    def open(self, group: list[Read]) -> np.ndarray | None:
        """Decodes photos; gives what the saliency net reads of the usable ones, uint8 [n, s, s, 3], if it reads any."""
        self._opened = []
        squeezed, kept = [], 0
        for key, data in group:
            try:
                photo = self._decode(data)
            except UserError as error:
                self._opened.append(((key, PhotoFailure(key, str(error))), None))
                continue
            if (row := self._marker.squeeze(photo)) is not None:
                squeezed.append(row)
            kept += photo.shape[0] * photo.shape[1]
            self._opened.append(((key, data), photo if kept <= KEPT_PIXELS else None))
        return np.stack(squeezed) if squeezed else None

    def cut(self, scores: np.ndarray | None) -> Cut:
        """Finds the products of the opened photos and cuts them, with the scores [n, s, s] of `open`'s result."""
        photos: list[PhotoGeometry | PhotoFailure] = []
        crops: dict[int, list[np.ndarray]] = {size: [] for size in self._crop_sizes}
        rows = iter(()) if scores is None else iter(scores)
        for (key, data), photo in self._opened:
            if isinstance(data, PhotoFailure):
                photos.append(data)
                continue
            photo = self._decode(data) if photo is None else photo
            mask = self._marker.mark(photo, next(rows, None))
            box = box_of(mask, MIN_SIDES[self._grid])
            height, width = photo.shape[:2]
            photos.append(
                PhotoGeometry(
                    key=key,
                    positions=positions(cells(box, self._grid), width, height),
                    box=np.array(box, np.int32),
                    product=encode_product(photo, box),
                    cells=cell_mask(mask, box),
                    width=width,
                    height=height,
                )
            )
            for size, level in zip(self._crop_sizes, cut(photo, box, self._crop_sizes, self._grid)):
                crops[size].append(level)
        self._opened = []
        usable = sum(isinstance(photo, PhotoGeometry) for photo in photos)
        shape = {size: (usable, len(rows), size, size, 3) for size, rows in rows_of_sizes(self._crop_sizes).items()}
        return photos, {
            s: np.concatenate(of).reshape(shape[s]) if of else np.empty(shape[s], np.uint8) for s, of in crops.items()
        }

    def _decode(self, data: bytes | np.ndarray | PhotoFailure) -> np.ndarray:
        if isinstance(data, PhotoFailure):
            raise UserError(data.reason)
        photo = decode(data, self._max_megapixels)
        height, width = photo.shape[:2]
        least = MIN_SIDES[self._grid]
        if min(height, width) < least:
            raise UserError(f"{width} x {height} pixels; the {self._grid} grid needs {least} a side")
        return photo
