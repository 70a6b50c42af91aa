"""Reads every photo once and keeps what the checks need of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from kaleido.checkup.looks import SIDE, look
from kaleido.checkup.marks import Strokes
from kaleido.checkup.measures import measure
from kaleido.errors import UserError
from kaleido.processors import cores
from kaleido.progress import tqdm
from kaleido.vision.photo import decode

BATCH = 32
"""Photos that a process gets at once."""

FEW = 40
"""Fewer photos are not worth other processes."""


@dataclass
class Scan:
    """Measures of the photos, a row a photo.

    Attributes:
        measures: float32 [n, m], as `all_measures` gives; 0 for unreadable photos.
        looks: uint8 [n, 2, SIDE, SIDE, 3], as `look` gives.
        sizes: int [n, 3]: width, height and bytes.
        problems: Why a photo cannot be read, by row.
    """

    measures: np.ndarray
    looks: np.ndarray
    sizes: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)

    @property
    def readable(self) -> np.ndarray:
        """Returns the rows of photos that can be read."""
        return np.array([row for row in range(len(self.sizes)) if row not in self.problems], int)


def scan(readers: Sequence[Callable[[], Any]], strokes: Strokes) -> Scan:
    """Reads and measures photos, in several processes.

    Args:
        readers: Functions that read a photo each, encoded or as pixels; they may raise `UserError`.
        strokes: What finds marks.
    """
    count = len(readers)
    found: Scan | None = None
    problems: dict[int, str] = {}
    for row, answer in enumerate(
        in_processes(partial(_examine, strokes), map(read_or_problem, readers), count, "photos")
    ):
        if isinstance(answer, str):
            problems[row] = answer
            continue
        measures, looks, size = answer
        if found is None:
            found = Scan(
                np.zeros((count, len(measures)), np.float32),
                np.zeros((count, 2, SIDE, SIDE, 3), np.uint8),
                np.zeros((count, 3), int),
                problems,
            )
        found.measures[row], found.looks[row], found.sizes[row] = measures, looks, size
    if found is None:
        raise UserError(
            f"none of the {count:,} photos can be read. Received: {next(iter(problems.values()), 'nothing')}"
        )
    return found


def in_processes(function: Callable[[Any], Any], items: Iterable[Any], total: int, name: str) -> Iterator[Any]:
    """Applies a function to items in several processes; the answers come in order."""
    from joblib import Parallel, delayed, parallel_config

    def batches() -> Iterator[list[Any]]:
        rest = iter(items)
        while batch := list(islice(rest, BATCH)):
            yield batch

    with parallel_config("loky", inner_max_num_threads=1):
        run = Parallel(1 if total < FEW else cores(), return_as="generator", pre_dispatch="2*n_jobs", batch_size=1)
        with tqdm(total=total, desc=name, unit=name.removesuffix("s"), disable=total < FEW) as bar:
            for answers in run(delayed(_each)(function, batch) for batch in batches()):
                bar.update(len(answers))
                yield from answers


def _each(function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    return [function(item) for item in items]


def read_or_problem(reader: Callable[[], Any]) -> Any:
    """Reads a photo; a text says why it cannot be read."""
    try:
        return reader()
    except UserError as error:
        return str(error)


def _examine(strokes: Strokes, data: Any) -> "str | tuple[np.ndarray, np.ndarray, tuple[int, int, int]]":
    if isinstance(data, str):
        return data
    try:
        photo = decode(data)
    except UserError as error:
        return str(error)
    size = photo.shape[1], photo.shape[0], photo.nbytes if isinstance(data, np.ndarray) else len(data)
    return all_measures(photo, strokes), np.stack(look(photo)), size


def all_measures(photo: np.ndarray, strokes: Strokes) -> np.ndarray:
    """Measures a photo uint8 [H, W, 3] in every way, float32 [n]."""
    return np.concatenate([measure(photo), strokes.measure(photo)])
