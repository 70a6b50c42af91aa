"""Makes batches from records of the original release's data."""

from collections.abc import Mapping, Sequence

import numpy as np

from kaleido.constants import TASKS
from kaleido.errors import UserError
from kaleido.original.batches import NUMBERS, batch_of
from kaleido.original.records import OriginalRecords
from kaleido.records.config import PipelineConfig
from kaleido.records.open import register_records
from kaleido.records.stream import Batch, BatchStream
from kaleido.text import Tokenizer

_LABELS = {
    "mlm": ("mlm_positions", "mlm_ids", "mlm_weights"),
    "grey": ("grey_positions", "grey_targets"),
    "blank": ("blank_positions", "blank_targets"),
}
"""Arrays of a task in a batch, for tasks that have more than the array `TASK_label`."""


class OriginalPipeline(BatchStream):
    """Makes batches of examples of the original's data, in a different order in every epoch.

    Masking and corruption are a fixed draw in the data: the configuration's masking, corruption and text length do not
    apply, and inputs stay corrupted for tasks that are left out. Evaluation uses the order of `records.index`, which
    has the ids.

    Args:
        records: Records of one split.
        config: Pipeline configuration, of which only the numbers of workers and of prefetched batches are used.
        tokenizer: Not used; token ids were checked against the vocabulary when the records were made.
        batch_size: Number of rows B of the global batch.
        seed: Seed of the order.
        training: Whether batches are for training or for evaluation.
        tasks: Tasks whose labels batches contain.
        rank: Number of this worker, in 0..`count` - 1; see `BatchStream`.
        count: Number of workers that share a batch.
        raw_positions: Whether positions are in pixels, as in the data, or relative to the photo, in 0..1.
        labels: Further targets of every record by name; batches contain them as `NAME_label`.
        hard_negatives: Not used; the pairs of the data are fixed.
        show_text: Not used; all photos in the data have their texts.

    Raises:
        UserError: if the data has no labels for a task.
    """

    def __init__(
        self,
        records: OriginalRecords,
        config: PipelineConfig,
        tokenizer: Tokenizer | None,
        batch_size: int,
        seed: int = 0,
        training: bool = True,
        tasks: Sequence[str] = TASKS,
        rank: int = 0,
        count: int = 1,
        raw_positions: bool = False,
        labels: Mapping[str, np.ndarray] | None = None,
        hard_negatives: None = None,
        show_text: bool = True,
    ):
        names = {task: _LABELS.get(task, (f"{task}_label",)) for task in TASKS}
        if missing := [task for task in tasks if names[task][0] not in NUMBERS[records.content]]:
            raise UserError(
                f"{records.directory}: has the original's data for {records.content}, without labels for the tasks "
                f"{', '.join(missing)}; name records of its data for pre-training, or leave these tasks out"
            )
        super().__init__(records, config, batch_size, seed, training, rank, count)
        self._raw_positions = raw_positions
        self._labels = labels or {}
        self._left_out = {name for task in TASKS if task not in tasks for name in names[task]}

    def batch(self, step: int) -> Batch:
        rows = self.draws(step).indices
        rows = rows[self._local(len(rows))]
        batch = batch_of(self.records.examples(rows), self.records.photo_size, self._raw_positions, self._left_out)
        return batch | {f"{name}_label": classes[rows] for name, classes in self._labels.items()}


register_records(OriginalRecords, OriginalPipeline)
