"""Computes the features of photos: decodes and crops in parallel, encodes in full batches across photos."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from kaleido.backend import accelerators
from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS
from kaleido.processors import cores
from kaleido.vision.backbones import Backbone
from kaleido.vision.crops import FEATURES
from kaleido.vision.cutter import Cutter, PhotoFailure, PhotoGeometry, rows_of_sizes
from kaleido.vision.cutter_process import ProcessCutter
from kaleido.vision.patches import Grid
from kaleido.vision.saliency import Saliency

__all__ = ["FeatureExtractor", "Item", "PhotoFailure", "PhotoFeatures"]

Item = tuple[str, Callable[[], bytes | np.ndarray]]
"""Key of a photo, and a function that reads it: an encoded picture or uint8 [H, W, 3]."""


@dataclass(frozen=True, slots=True)
class PhotoFeatures(PhotoGeometry):
    """Geometry and features of an encoded photo.

    Attributes:
        features: float16 [74, D], in the layout of `kaleido.vision.crops`.
    """

    features: np.ndarray


@dataclass(slots=True)
class _Group:
    """Some photos in progress; complete when `missing`, the number of missing vectors, is 0.

    Attributes:
        photos: The photos in their order.
        features: float16 [n * 74, D] of the usable ones.
        crops: Crops of the usable ones by their size, until they are in batches.
        missing: Number of missing vectors.
    """

    photos: list[PhotoGeometry | PhotoFailure]
    features: np.ndarray
    crops: dict[int, np.ndarray]
    missing: int

    def results(self) -> list["PhotoFeatures | PhotoFailure"]:
        features = iter(self.features.reshape(-1, FEATURES, self.features.shape[1]))
        return [
            photo
            if isinstance(photo, PhotoFailure)
            else PhotoFeatures(features=next(features), **{name: getattr(photo, name) for name in photo.__slots__})
            for photo in self.photos
        ]


@dataclass(slots=True)
class _Batch:
    """Crops of one size, collected until the batch is full, and the vectors of groups that they will fill."""

    crops: np.ndarray
    parts: list[tuple[_Group, np.ndarray]] = field(default_factory=list)
    filled: int = 0


class FeatureExtractor:
    """Extracts the features of a stream of photos.

    Threads read groups of photos, decode and cut them, with the saliency net in between; one more thread gathers their
    crops and feeds the backbone, ahead of whoever takes the results. On a host with an accelerator or with more than
    `THREADS_ONLY` processors each thread leaves decoding and cutting to a process of its own, since Python runs one
    thread at a time. Results are the same bits, whatever the workers.

    Both networks always get full batches, padded where photos end, and the backbone crops of one size, so that a
    photo's features depend on its own pixels alone, and not on the photos before and after it. On some processors
    TensorFlow rounds a crop's sums depending on its place in the batch; the same photos in the same order give the same
    bits. All batches have about the same number of pixels, since every batch has a fixed cost, which is too high for
    few small crops.

    Args:
        backbone: Backbone that encodes the crops.
        saliency: Method that finds the product.
        crop_sizes: Sides of the crops of levels 1 to 5, in pixels.
        workers: Threads that decode and crop; -1 for as many as there are processors.
        batch_size: Crops of the largest size that the network encodes at once, on an accelerator `ACCELERATED` times as
            many; of smaller ones it takes as many more as have the same number of pixels.
        grid: Grid that the box is cut by.
        max_megapixels: Largest photo, in millions of pixels; see `decode`.
        processes: Whether threads start processes; None for where they pay.
    """

    GROUP = 16
    """Photos that are decoded, looked at by the saliency net and cut together; at crops of 224 pixels, 178 MB."""

    THREADS_ONLY = 4
    """Processors up to which threads alone are started: cutting takes a twelfth of the time there."""

    ACCELERATED = 16

    def __init__(
        self,
        backbone: Backbone,
        saliency: Saliency,
        crop_sizes: tuple[int, ...],
        workers: int = -1,
        batch_size: int = 32,
        grid: Grid = "kaleido",
        max_megapixels: float = MAX_MEGAPIXELS,
        processes: bool | None = None,
    ):
        self.backbone = backbone
        self.saliency = saliency
        self.crop_sizes = tuple(crop_sizes)
        self.workers = cores() if workers == -1 else workers
        self.batch_size = batch_size
        self.grid: Grid = grid
        self.max_megapixels = max_megapixels
        self._processes = processes
        self._rows = rows_of_sizes(self.crop_sizes)
        self._own = threading.local()

    def extract(self, items: Iterable[Item]) -> Iterator[PhotoFeatures | PhotoFailure]:
        """Extracts the features of photos.

        Args:
            items: Keys and readers. A reader is called in a worker thread; its `UserError` becomes a `PhotoFailure`.

        Yields:
            One result for each item, in their order.
        """
        groups = self._encoded(items)
        try:
            with ThreadPoolExecutor(1) as thread:
                coming = thread.submit(next, groups, None)
                while (group := coming.result()) is not None:
                    coming = thread.submit(next, groups, None)
                    yield from group.results()
        finally:
            groups.close()

    def _encoded(self, items: Iterable[Item]) -> Iterator[_Group]:
        """Encodes the crops of groups; gives the groups in their order as they are complete."""
        queue: deque[_Group] = deque()
        running: deque[tuple[Any, list[tuple[_Group, np.ndarray]]]] = deque()
        batches = {size: self._batch(size) for size in self._rows}

        def dispatch(size: int) -> None:
            # Two batches ahead of the one whose vectors are waited for: an accelerator computes meanwhile.
            running.append((self.backbone.dispatch(batches[size].crops), batches[size].parts))
            batches[size] = self._batch(size)
            while len(running) > 2:
                _store(*running.popleft())

        for group in self._prepared(items):
            queue.append(group)
            for size, crops in group.crops.items():
                of_photos = FEATURES * np.arange(len(crops))[:, None] + self._rows[size]
                crops, rows = crops.reshape(-1, *crops.shape[2:]), of_photos.ravel()
                while len(rows):
                    batch = batches[size]
                    taken = min(len(rows), len(batch.crops) - batch.filled)
                    batch.crops[batch.filled : batch.filled + taken] = crops[:taken]
                    batch.parts.append((group, rows[:taken]))
                    batch.filled += taken
                    crops, rows = crops[taken:], rows[taken:]
                    if batch.filled == len(batch.crops):
                        dispatch(size)
            group.crops = {}
            while queue and not queue[0].missing:
                yield queue.popleft()
        for size, batch in batches.items():
            if batch.filled:
                dispatch(size)
        while running:
            _store(*running.popleft())
        yield from queue

    def _batch(self, size: int) -> _Batch:
        pixels = self.batch_size * max(self.crop_sizes) ** 2 * (self.ACCELERATED if self._accelerated else 1)
        return _Batch(np.zeros((pixels // size**2, size, size, 3), np.uint8))

    def _prepared(self, items: Iterable[Item]) -> Iterator[_Group]:
        """Reads, decodes and cuts groups of photos in threads, some groups ahead of those requested."""
        items = iter(items)
        ahead: deque[Future[_Group]] = deque()
        try:
            while group := list(islice(items, self.GROUP)):
                ahead.append(self._threads.submit(self._prepare, group))
                if len(ahead) > self.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.workers)

    @cached_property
    def _accelerated(self) -> bool:
        return "keras" in sys.modules and accelerators() > 0  # a backbone without a network loads no framework

    def _prepare(self, items: list[Item]) -> _Group:
        cutter = self._cutter()
        squeezed = cutter.open([(key, _read(key, read)) for key, read in items])
        scores = None
        if squeezed is not None:
            padded = np.zeros((self.GROUP, *squeezed.shape[1:]), np.uint8)
            padded[: len(squeezed)] = squeezed
            scores = self.saliency.scores(padded)[: len(squeezed)]
        photos, crops = cutter.cut(scores)
        vectors = FEATURES * sum(isinstance(photo, PhotoGeometry) for photo in photos)
        return _Group(photos, np.zeros((vectors, self.backbone.feature_size), np.float16), crops, vectors)

    def _cutter(self) -> Cutter | ProcessCutter:
        """Gives this thread's cutter; the first group is cut in the thread, since few photos are worth no process."""
        options = self.saliency.marker, self.crop_sizes, self.grid, self.max_megapixels
        if not hasattr(self._own, "cutter"):
            self._own.cutter = Cutter(*options)
        elif self._in_processes and isinstance(self._own.cutter, Cutter):
            self._own.cutter = ProcessCutter(self.GROUP, *options)
        return self._own.cutter

    @cached_property
    def _in_processes(self) -> bool:
        if self._processes is None:
            return os.name == "posix" and (self._accelerated or cores() > self.THREADS_ONLY)
        return self._processes


def _read(key: str, read: Callable[[], bytes | np.ndarray]) -> bytes | np.ndarray | PhotoFailure:
    try:
        return read()
    except UserError as error:
        return PhotoFailure(key, str(error))


def _store(vectors: Any, parts: list[tuple[_Group, np.ndarray]]) -> None:
    """Waits for the vectors of a batch and stores them in their groups; those of padding are left unused."""
    vectors, start = np.asarray(vectors), 0
    for group, rows in parts:
        group.features[rows] = vectors[start : start + len(rows)]
        group.missing -= len(rows)
        start += len(rows)
