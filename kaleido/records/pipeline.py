"""From records to batches."""

import functools
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kaleido.alignment.pairs import no_pairs
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.records.corruption import Corruption
from kaleido.records.draws import Draws, Stream, permutation
from kaleido.records.masking import GuidedMasking
from kaleido.records.partners import GROUP, Partners
from kaleido.records.reader import PhotoView, Records
from kaleido.text import Tokenizer

TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage", "grey", "blank")

EVALUATION_SEED = 20210620

Batch = dict[str, np.ndarray]


class Pipeline:
    """Batches that are pure functions of (seed, step); docs/design.md lists their arrays.

    Training is one endless stream in which every epoch is another permutation of the records: position
    `step * batch_size + i` of the stream is row i. Evaluation takes the records in their order, once, the last batch
    being short; its draws are those of epoch 0 of a fixed seed, so that figures can be compared.

    Args:
        records: Of one split.
        config: What to do with them.
        tokenizer: That the records' texts were cut with.
        batch_size: Rows B of the global batch.
        seed: Of the order and of all draws of training.
        training: Whether to train or to evaluate.
        tasks: Tasks to corrupt for; the inputs of the others stay whole and their labels are left out.
        rank: Which worker this is, of `count`.
        count: Workers that share a batch; this one makes rows `rank * B // count` to `(rank + 1) * B // count`. What it
            makes does not depend on the split; multiples of 8 rows spare it from reading another worker's donors.

    Raises:
        UserError: if the split holds too few products for the tasks.
    """

    def __init__(
        self,
        records: Records,
        config: PipelineConfig,
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int = 0,
        training: bool = True,
        tasks: Sequence[str] = TASKS,
        rank: int = 0,
        count: int = 1,
    ):
        if {"itm", "camouflage"} & set(tasks) and len(np.unique(records.index.product)) < 2:
            raise UserError(
                f"{records.directory}: its {records.split} records are of a single product, and the tasks itm and "
                f"camouflage need two; prepare more products or leave these tasks out"
            )
        self.records = records
        self.config = config
        self.batch_size = batch_size
        self.seed = seed if training else EVALUATION_SEED
        self.training = training
        self._tasks = tasks
        self._rank, self._count = rank, count
        self._tokenizer = tokenizer
        self._partners = Partners(records.index)
        self._masking = GuidedMasking(tokenizer, config.mask_probability, config.max_predictions, config.whole_word)
        # A batch touches two epochs at most unless it is larger than the data; few threads are ever further apart.
        self._order = functools.lru_cache(maxsize=2)(functools.partial(permutation, self.seed, size=len(records)))

    @property
    def evaluation_steps(self) -> int:
        """Batches that hold every record once."""
        return -(-len(self.records) // self.batch_size)

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0.

        Raises:
            IndexError: if evaluation has no such step.
        """
        draws = self._draws(step)
        records, texts = draws.indices, self._texts(draws)
        width = self._width(texts)
        donors = self._partners.donors(records, draws) if "camouflage" in self._tasks else records
        local = slice(self._rank * len(records) // self._count, (self._rank + 1) * len(records) // self._count)
        draws, records, texts, donors = draws[local], records[local], texts[local], donors[local]

        token_ids, word_ids, token_mask = self._tokens(texts, width)
        paired = records == texts
        pairs = [self.records.index.pairs(r) if own else no_pairs() for r, own in zip(records, paired)]
        masks = self._masking(token_ids, word_ids, pairs, draws)
        corruption = Corruption.draw(self._tasks, masks.patches, draws)
        batch = {"token_ids": token_ids, "token_mask": token_mask, "paired": paired.astype(np.float32)}
        batch.update(corruption.apply(self._photos(records, donors), self.records.feature_size))
        if "mlm" in self._tasks:
            batch["token_ids"] = masks.token_ids
            batch.update(mlm_positions=masks.mlm_positions, mlm_ids=masks.mlm_ids, mlm_weights=masks.mlm_weights)
        if "itm" in self._tasks:
            batch["itm_label"] = paired.astype(np.int32)
        return batch

    def iterate(self, first_step: int = 0, last_step: int | None = None, stride: int = 1) -> Iterator[Batch]:
        """Batches in order, made ahead by threads.

        Args:
            first_step: Where to begin.
            last_step: Where to end, exclusive; None for never in training, and for `evaluation_steps` in evaluation.
            stride: From one step to the next.
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

    def _photos(self, records: np.ndarray, donors: np.ndarray) -> Iterator[tuple[PhotoView, PhotoView]]:
        """Photo and donor of each row, read by groups: they meet their donors there, and stay in the cache."""
        for start in range(0, len(records), GROUP):
            wanted = np.concatenate([records[start : start + GROUP], donors[start : start + GROUP]])
            needed, places = np.unique(wanted, return_inverse=True)
            views = self.records.views(needed)
            rows = len(wanted) // 2
            yield from ((views[own], views[donor]) for own, donor in zip(places[:rows], places[rows:]))

    def _draws(self, step: int) -> Draws:
        """Epoch and record of each row of the global batch."""
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

    def _texts(self, draws: Draws) -> np.ndarray:
        """The record whose text each row shows: its own, or a partner's."""
        if "itm" not in self._tasks:
            return draws.indices
        partners = self._partners.texts(draws.indices, draws, self.config.mismatch == "same_subcategory")
        mismatch = draws.uniform(Stream.MISMATCH) < self.config.mismatch_probability
        return np.where(mismatch & (partners >= 0), partners, draws.indices)

    def _width(self, texts: np.ndarray) -> int:
        longest = int(self.records.index.text_lengths(texts).max()) + 2
        return min(-(-longest // 8) * 8, self.config.max_text_length)

    def _tokens(self, texts: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[CLS] text [SEP]: ids, word ids (-1 where there is no word) and mask, int32 [B, width]."""
        ids, words, present = self.records.index.texts(texts, width - 2)
        lengths = present.sum(axis=1)
        token_ids = np.full((len(texts), width), self._tokenizer.pad_id, np.int32)
        token_ids[:, 1:-1] = np.where(present, ids, self._tokenizer.pad_id)
        token_ids[:, 0] = self._tokenizer.cls_id
        token_ids[np.arange(len(texts)), lengths + 1] = self._tokenizer.sep_id
        word_ids = np.pad(np.where(present, words, -1), ((0, 0), (1, 1)), constant_values=-1)
        token_mask = (np.arange(width) < lengths[:, None] + 2).astype(np.int32)
        return token_ids, word_ids, token_mask
