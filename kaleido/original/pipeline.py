"""Makes batches of records of the original release's data."""

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
"""Arrays of a task in a batch, where they are not a label of its name."""


class OriginalPipeline(BatchStream):
    """Batches of examples as they lie in the data, in another order in every epoch.

    Masking and corruption are one frozen draw: the configuration's do not apply, nor does its text length, and the
    inputs of tasks that are left out stay as they are in the data. Evaluation goes in the order of `records.index`,
    which has the ids.

    Args:
        records: Records of one split.
        config: Number of workers and of batches made ahead.
        tokenizer: Not used: token ids were checked against the vocabulary when the records were made.
        batch_size: Rows B of the global batch.
        seed: Seed of the order.
        training: Whether to train or to evaluate.
        tasks: The labels of the others are left out.
        rank: Number of this worker, of `count`; see `BatchStream`.
        count: Workers that share a batch.
        raw_positions: Give positions in pixels, as they are in the data, and not in 0..1 of the photo.
        labels: Targets of every record by name; batches have them as `NAME_label`, beside those of the data.
        hard_negatives: Not used: the data has its pairs.
        show_text: Not used: the data shows all photos with their texts.

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
                f"{records.directory}: holds data for {records.content}, which has nothing for the tasks "
                f"{', '.join(missing)}; name records of data for pre-training or leave these tasks out"
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
