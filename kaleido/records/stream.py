"""Streams of batches: the order of the records."""

import functools
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kaleido.records.config import PipelineConfig
from kaleido.records.draws import Draws, permutation
from kaleido.records.reader import SplitRecords

EVALUATION_SEED = 20210620

Batch = dict[str, np.ndarray]


class BatchStream(ABC):
    """Batches that are pure functions of (seed, step); docs/design.md lists their arrays.

    Training is one endless stream in which every epoch is another permutation of the records: position
    `step * batch_size + i` of the stream is row i. Evaluation takes the records in their order, once, the last batch
    being short; its draws are those of epoch 0 of a fixed seed, so that metrics can be compared.

    Args:
        records: Records of one split.
        config: Configuration of the batches.
        batch_size: Rows B of the global batch.
        seed: Seed of the order and of all draws of training.
        training: Whether to train or to evaluate.
        rank: Number of this worker, of `count`.
        count: Workers that share a batch; this one makes rows `rank * B // count` to `(rank + 1) * B // count`. What it
            makes does not depend on the split.
    """

    def __init__(
        self,
        records: SplitRecords,
        config: PipelineConfig,
        batch_size: int,
        seed: int = 0,
        training: bool = True,
        rank: int = 0,
        count: int = 1,
    ):
        self.records = records
        self.config = config
        self.batch_size = batch_size
        self.seed = seed if training else EVALUATION_SEED
        self.training = training
        self._rank, self._count = rank, count
        # A batch touches two epochs at most unless it is larger than the data; few threads are ever further apart.
        self._order = functools.lru_cache(maxsize=2)(functools.partial(permutation, self.seed, size=len(records)))

    @property
    def evaluation_steps(self) -> int:
        """Number of batches that hold every record once."""
        return -(-len(self.records) // self.batch_size)

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """Makes the batch of a step, counted from 0.

        Raises:
            IndexError: if evaluation has no such step.
        """

    def iterate(self, first_step: int = 0, last_step: int | None = None, stride: int = 1) -> Iterator[Batch]:
        """Yields batches in order; threads make them ahead.

        Args:
            first_step: First step.
            last_step: Last step, exclusive; None for no end in training, and for `evaluation_steps` in evaluation.
            stride: Distance from one step to the next.
        """
        if last_step is None and not self.training:
            last_step = self.evaluation_steps
        endless = last_step is None
        steps = itertools.count(first_step, stride) if endless else iter(range(first_step, last_step, stride))
        pool = ThreadPoolExecutor(self.config.workers, thread_name_prefix="batches")
        try:
            ahead = deque(pool.submit(self.batch, step) for step in itertools.islice(steps, self.config.prefetch + 1))
            while ahead:
                batch = ahead.popleft().result()
                ahead.extend(pool.submit(self.batch, step) for step in itertools.islice(steps, 1))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Batch]:
        return self.iterate()

    def draws(self, step: int) -> Draws:
        """Gives the epoch and the record of each row of the global batch.

        Raises:
            IndexError: if evaluation has no such step.
        """
        size = len(self.records)
        stream = step * self.batch_size + np.arange(self.batch_size)
        if not self.training:
            if not 0 <= step < self.evaluation_steps:
                raise IndexError(f"evaluation has {self.evaluation_steps} steps. Received: {step}")
            stream = stream[stream < size]
            return Draws(self.seed, np.zeros_like(stream), stream)
        epochs, places = np.divmod(stream, size)
        records = np.empty_like(stream)
        for epoch in np.unique(epochs):
            records[epochs == epoch] = self._order(int(epoch))[places[epochs == epoch]]
        return Draws(self.seed, epochs, records)

    def _local(self, rows: int) -> slice:
        """Gives the rows of a global batch that this worker makes."""
        return slice(self._rank * rows // self._count, (self._rank + 1) * rows // self._count)
