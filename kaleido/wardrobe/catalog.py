"""Generation of the wardrobe as a catalogue on disk, in parallel and resumable."""

import io
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker
from pathlib import Path

from PIL import Image

from kaleido.atomic import remove_atomically, remove_leftovers, write_atomically
from kaleido.catalog import product_json
from kaleido.catalog.files import is_finished, read_header, write_catalog
from kaleido.catalog.product import Product
from kaleido.catalog.sources import FolderSource
from kaleido.errors import UserError
from kaleido.locks import folder_locked
from kaleido.processors import cores
from kaleido.progress import tqdm
from kaleido.untrusted import read_json, read_plain

KIND = "wardrobe"
DRAWING = 1
"""Version of the drawing; increment it whenever the same seed gives other pictures or texts."""

PRODUCTS_AT_ONCE = 32
IDLE_SECONDS = 10
"""Seconds after which the processes of a killed parent exit."""


def generate_wardrobe(
    directory: str | os.PathLike[str],
    products: int,
    seed: int,
    photo_size: int,
    workers: int | None = None,
    overwrite: bool = False,
) -> bool:
    """Draws the wardrobe with its masks; the bytes do not depend on the number of workers.

    Args:
        directory: Folder of the catalogue; its pictures are in `photos/` and `masks/`.
        products: Number of products.
        seed: Seed of all random choices.
        photo_size: Width and height of the photos in pixels.
        workers: Number of processes that draw; one a CPU core if None.
        overwrite: Whether an existing wardrobe, finished or not, is drawn anew.

    Returns:
        Whether anything was drawn; False if the finished catalogue was there already.

    Raises:
        UserError: if an argument is out of range, the folder holds something else, or another process writes it.
    """
    workers = cores() if workers is None else workers
    for name, value, least in (("products", products, 1), ("photo-size", photo_size, 32), ("workers", workers, 1)):
        if value < least:
            raise UserError(f"--{name} must be at least {least}. Received: {value}.")
    with folder_locked(Path(directory)):
        return _generate(Path(directory), products, seed, photo_size, workers, overwrite)


def _generate(directory: Path, products: int, seed: int, photo_size: int, workers: int, overwrite: bool) -> bool:
    arguments = {"products": products, "seed": seed, "photo_size": photo_size, "drawing": DRAWING}
    progress = _Progress(directory, arguments)
    if overwrite:
        progress.clear()
    if not progress.begun() and is_finished(directory, arguments):
        progress.end()
        return False
    progress.begin()
    _draw_missing(progress, products, seed, photo_size, workers)
    sources = {name: FolderSource(directory / name) for name in ("photos", "masks")}
    write_catalog(directory, directory.resolve().name, KIND, sources, progress.products(products), arguments)
    progress.end()
    return True


class _Progress:
    """Progress of the drawing in the folder `drawing/`: the arguments, and the products of every finished chunk."""

    def __init__(self, directory: Path, arguments: Mapping[str, int]):
        self.directory = directory
        self._arguments = dict(arguments)
        self._folder = directory / "drawing"

    def begun(self) -> bool:
        """Tells whether there is an unfinished run of the same arguments; raises a `UserError` for other arguments."""
        there = self._there()
        if there not in (None, self._arguments):
            raise UserError(
                f"{self.directory} holds an unfinished wardrobe made with other arguments; choose another --out, or "
                f"replace it with --overwrite. Received: {json.dumps(self._arguments)}, there: {json.dumps(there)}."
            )
        return there is not None

    def begin(self) -> None:
        """Removes leftovers and records the arguments."""
        remove_leftovers(self.directory / "photos", self.directory / "masks", self._folder)
        write_atomically(self._folder / "arguments.json", json.dumps(self._arguments).encode())

    def end(self) -> None:
        """Removes the folder of the progress."""
        remove_atomically(self._folder)

    def clear(self) -> None:
        """Removes a wardrobe, finished or not; raises a `UserError` for a catalogue of another kind."""
        header = read_header(self.directory)
        if header and header["kind"] != KIND:
            raise UserError(f"{self.directory} holds a catalogue of kind {header['kind']!r}; choose another --out.")
        if header or self._there() is not None:
            for manifest in self._folder.glob("*.jsonl"):
                manifest.unlink()
            # Recorded first, so that an interruption leaves an unfinished wardrobe, not half of a finished one.
            self.begin()
            for name in ("catalog.json", "products.jsonl"):
                (self.directory / name).unlink(missing_ok=True)
            for name in ("photos", "masks"):
                shutil.rmtree(self.directory / name, ignore_errors=True)

    def chunks(self, products: int) -> Iterator[tuple[range, Path]]:
        """Yields the indices of each chunk's products and the file that is written when they are drawn."""
        for first in range(0, products, PRODUCTS_AT_ONCE):
            yield range(first, min(first + PRODUCTS_AT_ONCE, products)), self._folder / f"{first:07d}.jsonl"

    def products(self, products: int) -> Iterator[Product]:
        """Yields the products of all chunks."""
        for _, manifest in self.chunks(products):
            for row, line in enumerate(read_plain(manifest).splitlines(), start=1):
                yield product_json.decode(line, f"{manifest}, row {row}", "draw the wardrobe again with --overwrite")

    def _there(self) -> dict[str, int] | None:
        path = self._folder / "arguments.json"
        return read_json(path, dict[str, int], "draw the wardrobe again with --overwrite") if path.exists() else None


def _draw_missing(progress: _Progress, products: int, seed: int, photo_size: int, workers: int) -> None:
    from joblib import Parallel, delayed

    missing = [(indices, manifest) for indices, manifest in progress.chunks(products) if not manifest.exists()]
    parallel = Parallel(
        n_jobs=workers, return_as="generator_unordered", backend="loky", idle_worker_timeout=IDLE_SECONDS
    )
    # Python's helper of all these processes unblocks Ctrl-C when it starts: not in the middle of what follows.
    resource_tracker.ensure_running()
    # Processes inherit blocked signals, so Ctrl-C reaches only this one, which then ends them.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        drawn = parallel(
            delayed(_draw_chunk)(progress.directory, manifest, indices, seed, photo_size)
            for indices, manifest in missing
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    initial = products - sum(len(indices) for indices, _ in missing)
    with tqdm(total=products, initial=initial, desc="drawing", unit="product") as bar:
        for count in drawn:
            bar.update(count)


def _draw_chunk(directory: Path, manifest: Path, indices: range, seed: int, photo_size: int) -> int:
    from kaleido.wardrobe import draw_products

    lines = []
    for drawn in draw_products(count=len(indices), seed=seed, photo_size=photo_size, first=indices.start):
        for uri, picture in (drawn.photos | drawn.masks).items():
            write_atomically(directory / uri, _png(picture), durable=False)
        lines.append(f"{product_json.encode(drawn.product)}\n")
    write_atomically(manifest, "".join(lines).encode())
    return len(indices)


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()
