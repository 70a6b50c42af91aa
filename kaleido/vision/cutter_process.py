"""A cutter in a process of its own, so that cutting grows with the cores and not with Python's one lock."""

import mmap
import subprocess
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from kaleido.child_process import answer, end_child, start_children
from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS
from kaleido.vision.cutter import Cut, Cutter, PhotoGeometry, Read, rows_of_sizes
from kaleido.vision.patches import Grid
from kaleido.vision.saliency import Saliency


class ProcessCutter:
    """Does what a `Cutter` does in another process, which ends with this object or with this process, however it ends.

    Args:
        group: Largest number of photos of a group.
        marker, crop_sizes, grid, max_megapixels: As for `Cutter`.

    Attributes:
        process: The other process.
    """

    def __init__(
        self,
        group: int,
        marker: Saliency,
        crop_sizes: tuple[int, ...],
        grid: Grid,
        max_megapixels: float = MAX_MEGAPIXELS,
    ):
        self._rows = rows_of_sizes(crop_sizes)
        size = group * sum(3 * size**2 * len(rows) for size, rows in self._rows.items())
        self._memory, [(self.process, self._pipe)] = start_children(serve, 1, size)
        self._finalizer = weakref.finalize(self, _end, self._pipe, self.process)
        self._pipe.send((marker, crop_sizes, grid, max_megapixels))

    def open(self, group: list[Read]) -> np.ndarray | None:
        return self._call("open", group)

    def cut(self, scores: np.ndarray | None) -> Cut:
        photos = self._call("cut", scores)
        usable = sum(isinstance(photo, PhotoGeometry) for photo in photos)
        return photos, {size: crops.copy() for size, crops in _views(self._memory, self._rows, usable).items()}

    def _call(self, name: str, argument: Any) -> Any:
        try:
            self._pipe.send((name, argument))
            result = answer(self._pipe)
        except TimeoutError as error:
            self.process.kill()
            raise UserError(f"a process that cuts photos is stuck ({error}); look at the disk of the photos") from None
        except (EOFError, ConnectionError):
            raise UserError(
                "a process that cuts photos was killed, perhaps for lack of memory; use fewer workers"
            ) from None
        if isinstance(result, Exception):
            raise result
        return result


def _end(pipe: Connection, process: subprocess.Popen) -> None:
    pipe.close()
    end_child(process)


def _views(memory: mmap.mmap, rows: dict[int, np.ndarray], photos: int) -> dict[int, np.ndarray]:
    """Lays the crops of some photos into the shared memory, one size after another."""
    views, start = {}, 0
    for size, of_size in rows.items():
        shape = photos, len(of_size), size, size, 3
        views[size] = np.frombuffer(memory, np.uint8, int(np.prod(shape)), start).reshape(shape)
        start += views[size].size
    return views


def serve(pipe: Connection, memory: mmap.mmap) -> None:
    """Opens and cuts photos until the connection ends; what the process of a `ProcessCutter` runs."""
    # Either error: the other process has ended, or needs no more.
    with suppress(EOFError, ConnectionError):
        marker, crop_sizes, *others = pipe.recv()
        cutter, rows = Cutter(marker, crop_sizes, *others), rows_of_sizes(crop_sizes)
        while True:
            name, argument = pipe.recv()
            try:
                result = getattr(cutter, name)(argument)
                if name == "cut":
                    result, crops = result
                    for size, view in _views(memory, rows, len(crops[crop_sizes[0]])).items():
                        view[...] = crops[size]
            except Exception as error:  # raised again by the process that asked
                result = error
            pipe.send(result)
