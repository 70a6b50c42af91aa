"""One thread that does the work of all models, in batches of the requests that wait."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class Busy(Exception):
    """Raised when as many requests wait as the queue holds."""


@dataclass(frozen=True, eq=False)
class Work:
    """A kind of work; items of the same kind are done together.

    Attributes:
        name: Name in the metrics.
        run: Does a batch of items, and returns their results in the same order.
        most: Largest number of items of a batch.
        heaviest: Largest sum of the items' weights in a batch; a single item may weigh more.
    """

    name: str
    run: Callable[[list[Any]], Sequence[Any] | np.ndarray]
    most: int = 16
    heaviest: float = float("inf")


@dataclass(eq=False)
class _Job:
    work: Work
    item: Any
    weight: float
    future: asyncio.Future
    loop: asyncio.AbstractEventLoop


class Worker:
    """Runs work in one thread, which alone uses the models.

    A batch is what has come in while the batch before was computed: nothing waits for others to come. Where a batch
    ends in an error, its items are done one by one, so that a request never gets the error of another.

    Args:
        capacity: Largest number of items that wait.
        observe: Takes the name of a work and the size of each batch.
    """

    def __init__(self, capacity: int = 128, observe: Callable[[str, int], None] = lambda name, size: None):
        self._capacity = capacity
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._loop, name="kaleido-models", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of items that wait."""
        return len(self._jobs)

    async def do(self, work: Work, item: Any, weight: float = 0) -> Any:
        """Does an item, together with others of the same work.

        A caller that is cancelled takes its item out of the queue.

        Raises:
            Busy: if the queue is full or closed.
            Exception: what the work raises.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, item, weight, loop.create_future(), loop)
        with self._changed:
            if len(self._jobs) >= self._capacity or not self._open:
                raise Busy
            self._jobs.append(job)
            self._changed.notify()
        try:
            return await job.future
        except asyncio.CancelledError:
            with self._changed:
                if job in self._jobs:
                    self._jobs.remove(job)
            raise

    def close(self) -> None:
        """Ends the thread once everything that waits is done."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _loop(self) -> None:
        while batch := self._next():
            answers = _answers(batch[0].work, [job.item for job in batch])
            self._observe(batch[0].work.name, len(batch))
            for loop in {job.loop for job in batch}:
                # One call for all, since each wakes the event loop. The server may have stopped meanwhile.
                if not loop.is_closed():
                    loop.call_soon_threadsafe(
                        _hand_over, [pair for pair in zip(batch, answers) if pair[0].loop is loop]
                    )
            del batch, answers  # nothing of a request is kept until the next one comes

    def _next(self) -> list[_Job]:
        """Waits for work, and takes the oldest job with others of its kind; empty at the end."""
        with self._changed:
            while not self._jobs and self._open:
                self._changed.wait()
            if not self._jobs:
                return []
            first = self._jobs[0]
            batch, weight = [first], first.weight
            for job in list(self._jobs)[1:]:
                if len(batch) == first.work.most:
                    break
                if job.work is first.work and weight + job.weight <= first.work.heaviest:
                    batch.append(job)
                    weight += job.weight
            for job in batch:
                self._jobs.remove(job)
            return batch


def _answers(work: Work, items: list[Any]) -> list[Any]:
    """Computes results or exceptions, one for each item."""
    try:
        return list(work.run(items))
    except Exception as error:
        if len(items) == 1:
            return [error]
    return [answer for item in items for answer in _answers(work, [item])]


def _hand_over(pairs: list[tuple[_Job, Any]]) -> None:
    for job, answer in pairs:
        if job.future.done():  # its caller has gone
            continue
        if isinstance(answer, Exception):
            job.future.set_exception(answer)
        else:
            job.future.set_result(answer)
