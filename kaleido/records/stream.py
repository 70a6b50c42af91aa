"""Streams of batches: the order of the records."""

import functools
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from kaleido.catalog.sample import place
from kaleido.errors import UserError
from kaleido.processors import cores
from kaleido.progress import tqdm
from kaleido.records.config import PipelineConfig
from kaleido.records.draws import Draws, permutation
from kaleido.records.processes import BatchProcesses
from kaleido.records.reader import PhotoRecords, SplitRecords

EVALUATION_SEED = 20210620

MOST_THREADS = 2
"""Threads beyond which processes are faster: about half of a batch's time holds Python's lock."""

_HELD = 4
"""Batches that a training step may hold while more are made."""

Batch = dict[str, np.ndarray]

# A batch touches two epochs at most unless it is larger than the data; few threads are ever further apart.
_order = functools.lru_cache(maxsize=4)(permutation)


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

    Attributes:
        examples: Records that are read, int64 [E]; in training those of the share `products`.
        allocate: Function that gives memory for large arrays of a batch, uint8 [size].
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
        self.examples = trained_records(records, config) if training else np.arange(len(records))
        self._rank, self._count = rank, count
        self.allocate: Callable[[int], np.ndarray] = _allocate

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
        """Yields batches in order; threads or processes make them ahead.

        Args:
            first_step: First step.
            last_step: Last step, exclusive; None for no end in training, and for `evaluation_steps` in evaluation.
            stride: Distance from one step to the next.
        """
        if last_step is None and not self.training:
            last_step = self.evaluation_steps
        endless = last_step is None
        steps = itertools.count(first_step, stride) if endless else iter(range(first_step, last_step, stride))
        count, ahead = self.config.workers or cores(), deque[Future[Batch]]()
        kind = self.config.worker_kind
        if kind == "auto":
            kind = "processes" if self.training and count > MOST_THREADS else "threads"
        processes, make = None, self.batch
        if kind == "processes" and (first := next(steps, None)) is not None:
            # The first one here: it tells how much memory a batch needs.
            batch = self.batch(first)
            processes = BatchProcesses(self, count, batch, slots=count + self.config.prefetch + _HELD)
            make = processes.batch
            tqdm.write(f"batches are made in {count} processes")
        pool = ThreadPoolExecutor(count, thread_name_prefix="batches")
        try:
            ahead.extend(pool.submit(make, step) for step in itertools.islice(steps, count + self.config.prefetch))
            if processes:
                yield batch
            while ahead:
                batch = ahead.popleft().result()
                ahead.extend(pool.submit(make, step) for step in itertools.islice(steps, 1))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)
            if processes:
                processes.close()

    def __iter__(self) -> Iterator[Batch]:
        return self.iterate()

    def draws(self, step: int) -> Draws:
        """Gives the epoch and the record of each row of the global batch.

        Raises:
            IndexError: if evaluation has no such step.
        """
        size = len(self.examples)
        stream = step * self.batch_size + np.arange(self.batch_size)
        if not self.training:
            if not 0 <= step < self.evaluation_steps:
                raise IndexError(f"evaluation has {self.evaluation_steps} steps. Received: {step}")
            stream = stream[stream < size]
            return Draws(self.seed, np.zeros_like(stream), stream)
        epochs, places = np.divmod(stream, size)
        records = np.empty_like(stream)
        for epoch in np.unique(epochs):
            records[epochs == epoch] = self.examples[_order(self.seed, int(epoch), size)[places[epochs == epoch]]]
        return Draws(self.seed, epochs, records)

    def _local(self, rows: int) -> slice:
        """Gives the rows of a global batch that this worker makes."""
        return slice(self._rank * rows // self._count, (self._rank + 1) * rows // self._count)


def trained_records(records: SplitRecords, config: PipelineConfig) -> np.ndarray:
    """Chooses the records that are trained on, by a hash of their products' ids: int64, ascending.

    Raises:
        UserError: if none is left, or the records are of a kind that has neither products nor words.
    """
    if not isinstance(records, PhotoRecords) and (config.products < 1 or config.word_dropout):
        raise UserError(
            f"{records.directory}: these records do not name products and words; leave preprocess_config.products at 1 "
            f"and word_dropout at 0. Received: {config.products} and {config.word_dropout}"
        )
    if config.products == 1:
        return np.arange(len(records))
    chosen = np.flatnonzero([place(id, "products") < config.products for id in records.product_ids()])
    if not len(chosen):
        raise UserError(
            f"{records.directory}: preprocess_config.products leaves none of {len(records):,} records; take a larger "
            f"share. Received: {config.products}"
        )
    return chosen


def _allocate(size: int) -> np.ndarray:
    return np.empty(size, np.uint8)
