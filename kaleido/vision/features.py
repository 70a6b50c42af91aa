"""Computes the features of photos: decodes and crops in parallel, encodes in full batches across photos."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS
from kaleido.vision.backbones import Backbone
from kaleido.vision.crops import FEATURES, LEVEL_ROWS, cut
from kaleido.vision.patches import MIN_SIDES, Grid, cells, positions
from kaleido.vision.photo import decode
from kaleido.vision.product import cell_mask, encode_product
from kaleido.vision.saliency import Saliency, box_of

Item = tuple[str, Callable[[], bytes | np.ndarray]]
"""Key of a photo, and a function that reads it: an encoded picture or uint8 [H, W, 3]."""


@dataclass(frozen=True, slots=True)
class PhotoFeatures:
    """Features and geometry of an encoded photo.

    Attributes:
        key: Key of the item.
        features: float16 [74, D], in the layout of `kaleido.vision.crops`.
        positions: float32 [55, 5], [x1, x2, y1, y2, w*h] of each patch, normalised to 0..1.
        box: int32 [4], [x1, y1, x2, y2] of the product in pixels.
        product: Picture of the product, as `encode_product` returns it.
        cells: uint8 [14, 14], the product's share of each cell of the box, as `cell_mask` returns it.
        width: Width of the photo in pixels.
        height: Height of the photo in pixels.
    """

    key: str
    features: np.ndarray
    positions: np.ndarray
    box: np.ndarray
    product: bytes
    cells: np.ndarray
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PhotoFailure:
    """A photo that could not be read; `reason` is one line without its name."""

    key: str
    reason: str


@dataclass(slots=True)
class _Waiting:
    """A photo in progress; complete when `missing`, the number of missing features, is 0."""

    result: PhotoFeatures | PhotoFailure
    crops: tuple[np.ndarray, ...] = ()
    missing: int = 0


@dataclass(slots=True)
class _Batch:
    """Crops of one size, collected until the batch is full, and the rows of features that they will fill."""

    crops: np.ndarray
    rows: list[tuple[_Waiting, int]] = field(default_factory=list)


class FeatureExtractor:
    """Extracts the features of a stream of photos.

    The network always gets full batches of crops of one size, the last one padded, so that a photo's features depend on
    its own pixels alone, and not on the photos before and after it. On some processors TensorFlow rounds a crop's sums
    depending on its place in the batch; the same photos in the same order give the same bits. All batches have about
    the same number of pixels, since every batch has a fixed cost, which is too high for few small crops.

    Args:
        backbone: Backbone that encodes the crops.
        saliency: Method that finds the product.
        crop_sizes: Sides of the crops of levels 1 to 5, in pixels.
        workers: Threads that decode and crop; -1 for as many as there are processors.
        batch_size: Crops of the largest size that the network encodes at once; of smaller ones it takes as many more as
            have the same number of pixels.
        grid: Grid that the box is cut by.
        max_megapixels: Largest photo, in millions of pixels; see `decode`.
    """

    AHEAD = 32
    """Photos that are cropped ahead of the network; at crops of 224 pixels, 11 MB each."""

    def __init__(
        self,
        backbone: Backbone,
        saliency: Saliency,
        crop_sizes: tuple[int, ...],
        workers: int = -1,
        batch_size: int = 32,
        grid: Grid = "kaleido",
        max_megapixels: float = MAX_MEGAPIXELS,
    ):
        self.backbone = backbone
        self.saliency = saliency
        self.crop_sizes = tuple(crop_sizes)
        self.workers = workers
        self.batch_size = batch_size
        self.grid = grid
        self.max_megapixels = max_megapixels

    def extract(self, items: Iterable[Item]) -> Iterator[PhotoFeatures | PhotoFailure]:
        """Extracts the features of photos.

        Args:
            items: Keys and readers. A reader is called in a worker thread; its `UserError` becomes a `PhotoFailure`.

        Yields:
            One result for each item, in their order.
        """
        pixels = self.batch_size * max(self.crop_sizes) ** 2
        batches = {size: _Batch(np.zeros((pixels // size**2, size, size, 3), np.uint8)) for size in self.crop_sizes}
        queue: deque[_Waiting] = deque()
        for photo in self._crop(items):
            queue.append(photo)
            for size, rows, crops in zip(self.crop_sizes, LEVEL_ROWS, photo.crops):
                for row, crop in zip(range(rows.start, rows.stop), crops, strict=True):
                    self._add(batches[size], photo, row, crop)
            photo.crops = ()
            while queue and not queue[0].missing:
                yield queue.popleft().result
        for batch in batches.values():
            self._encode(batch)
        for photo in queue:
            yield photo.result

    def _add(self, batch: _Batch, photo: _Waiting, row: int, crop: np.ndarray) -> None:
        batch.crops[len(batch.rows)] = crop
        batch.rows.append((photo, row))
        if len(batch.rows) == len(batch.crops):
            self._encode(batch)

    def _encode(self, batch: _Batch) -> None:
        if not batch.rows:
            return
        # A batch that is not full still holds older crops at its end: their vectors are computed and left unused.
        for (photo, row), vector in zip(batch.rows, self.backbone.encode(batch.crops)):
            photo.result.features[row] = vector
            photo.missing -= 1
        batch.rows.clear()

    def _crop(self, items: Iterable[Item]) -> Iterator[_Waiting]:
        """Decodes and crops photos in threads, some photos ahead of those requested."""
        with ThreadPoolExecutor(os.cpu_count() if self.workers == -1 else self.workers) as threads:
            try:
                ahead: deque[Future[_Waiting]] = deque()
                for item in items:
                    ahead.append(threads.submit(self._prepare, *item))
                    if len(ahead) == self.AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                threads.shutdown(cancel_futures=True)

    def _prepare(self, key: str, read: Callable[[], bytes | np.ndarray]) -> _Waiting:
        try:
            photo = decode(read(), self.max_megapixels)
        except UserError as error:
            return _Waiting(PhotoFailure(key, str(error)))
        height, width = photo.shape[:2]
        least = MIN_SIDES[self.grid]
        if min(height, width) < least:
            return _Waiting(PhotoFailure(key, f"{width} x {height} pixels; the {self.grid} grid needs {least} a side"))
        mask = self.saliency.mask(photo)
        box = box_of(mask, least)
        result = PhotoFeatures(
            key=key,
            features=np.zeros((FEATURES, self.backbone.feature_size), np.float16),
            positions=positions(cells(box, self.grid), width, height),
            box=np.array(box, np.int32),
            product=encode_product(photo, box),
            cells=cell_mask(mask, box),
            width=width,
            height=height,
        )
        return _Waiting(result, cut(photo, box, self.crop_sizes, self.grid), FEATURES)
