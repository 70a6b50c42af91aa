"""The pipeline from photo records to batches."""

from collections.abc import Mapping, Sequence

import numpy as np

from kaleido.constants import CONTRASTIVE, LEVEL_OF_TASK, PATCHES, TASKS
from kaleido.errors import UserError
from kaleido.records.config import NO_TEXT, PipelineConfig
from kaleido.records.corruption import Corruption, gather
from kaleido.records.draws import Draws, Stream
from kaleido.records.masking import GuidedMasking
from kaleido.records.pairs import no_pairs
from kaleido.records.partners import Partners
from kaleido.records.reader import PhotoRecords
from kaleido.records.stream import Batch, BatchStream
from kaleido.text import Tokenizer
from kaleido.vision.crops import FEATURES

FEATURE_ROWS = "feature_rows"


class Pipeline(BatchStream):
    """Batches of photos and texts, masked and corrupted anew in every epoch.

    Args:
        records: Records of one split.
        config: Text length, masking and mismatches.
        tokenizer: Tokenizer of the records.
        batch_size: Rows B of the global batch.
        seed: Seed of the order and of all draws of training.
        training: Whether to train or to evaluate.
        tasks: Tasks to corrupt for; the inputs of the others stay whole and their labels are left out.
        rank: Number of this worker, of `count`; see `BatchStream`.
        count: Workers that share a batch; with multiples of 8 rows none reads another worker's donors.
        raw_positions: Give positions in pixels, as the original release does, and not in 0..1 of the photo.
        labels: Targets of every record by name, int32 or float32; batches have them as `NAME_label`.
        hard_negatives: int64 [n, K], for every record the K records whose texts its mismatches show, -1 where there are
            fewer; a record without any is mismatched as `config.mismatch` says.
        show_text: Whether rows have their texts; otherwise they have [CLS] and [SEP] alone.

    Attributes:
        on_device: Whether batches have `feature_rows` int32 [B, n] in place of features: rows of a table of a row of
            zeros and then the vectors of all records.

    Raises:
        UserError: if the split holds too few products for the tasks.
    """

    def __init__(
        self,
        records: PhotoRecords,
        config: PipelineConfig,
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int = 0,
        training: bool = True,
        tasks: Sequence[str] = TASKS,
        rank: int = 0,
        count: int = 1,
        raw_positions: bool = False,
        labels: Mapping[str, np.ndarray] | None = None,
        hard_negatives: np.ndarray | None = None,
        show_text: bool = True,
    ):
        if {"itm", "camouflage"} & set(tasks) and len(np.unique(records.index.product)) < 2:
            raise UserError(
                f"{records.directory}: its {records.split} records are of a single product, and the tasks itm and "
                f"camouflage need two; prepare more products or leave these tasks out"
            )
        if config.patches < PATCHES and (whole := sorted(set(tasks) & LEVEL_OF_TASK.keys())):
            raise UserError(
                f"preprocess_config.patches must be {PATCHES} for the tasks {', '.join(whole)}; give them the weight 0 "
                f"or read all patches. Received: {config.patches}"
            )
        records.check_tokens(tokenizer)
        super().__init__(records, config, batch_size, seed, training, rank, count)
        self.on_device = False
        self._tasks = tasks
        self._raw_positions = raw_positions
        self._labels = labels or {}
        self._hard_negatives = hard_negatives
        self._show_text = show_text
        self._pad_id, self._cls_id, self._sep_id = tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id
        self._partners = Partners(records.index)
        self._masking = GuidedMasking(tokenizer, config.mask_probability, config.max_predictions, config.whole_word)

    def batch(self, step: int) -> Batch:
        draws = self.draws(step)
        records, texts = draws.indices, self.texts(draws)
        width = self._width(texts)
        donors = self._partners.donors(records, draws) if "camouflage" in self._tasks else records
        local = self._local(len(records))
        draws, records, texts, donors = draws[local], records[local], texts[local], donors[local]

        token_ids, word_ids, token_mask = self._tokens(texts, width, draws)
        paired = records == texts
        guided = paired & (self.config.masking != "random")
        pairs = [self.records.index.pairs(r) if own else no_pairs() for r, own in zip(records, guided)]
        masks = self._masking(token_ids, word_ids, pairs, draws)
        corruption = Corruption.draw(self._tasks, masks.patches, draws)
        positions = self.records.positions(records, self._raw_positions)
        if self.training and self.config.patches < PATCHES:
            corruption, shown = corruption.with_patches(self.config.patches, draws)
            positions = np.take_along_axis(positions, shown[:, :, None], axis=1)
        batch = {"token_ids": token_ids, "token_mask": token_mask, "paired": paired.astype(np.float32)}
        if self.on_device:
            rows = corruption.rows(1 + FEATURES * records, 1 + FEATURES * donors)
            batch[FEATURE_ROWS] = np.concatenate(list(rows.values()), axis=1).astype(np.int32)
        else:
            first_rows = self.records.first_rows
            rows = corruption.rows(first_rows[records], first_rows[donors])
            batch.update(gather(self.records.table, rows, self.allocate))
        batch.update(corruption.labels, positions=positions)
        if "mlm" in self._tasks:
            batch["token_ids"] = masks.token_ids
            batch.update(mlm_positions=masks.mlm_positions, mlm_ids=masks.mlm_ids, mlm_weights=masks.mlm_weights)
        if "itm" in self._tasks:
            batch["itm_label"] = paired.astype(np.int32)
            if CONTRASTIVE in self._tasks:
                batch["itm_draws"] = draws.uniform(Stream.BATCH_NEGATIVE, 2).astype(np.float32)
        if self.training and self.config.word_dropout:
            # Equal texts cannot be told by their tokens then.
            batch["text_numbers"] = self.records.index.text[texts]
        for name, targets in self._labels.items():
            batch[f"{name}_label"] = targets[records]
        return batch

    def texts(self, draws: Draws) -> np.ndarray:
        """Chooses the record whose text each row shows: its own, or where they mismatch another product's.

        With the task `itc` all show their own, and the model draws the negatives of `itm` from the batch.
        """
        if "itm" not in self._tasks or CONTRASTIVE in self._tasks:
            return draws.indices
        partners = self._partners.texts(draws.indices, draws, self.config.mismatch == "same_subcategory")
        if self._hard_negatives is not None:
            drawn = draws.integers(Stream.HARD_NEGATIVE, self._hard_negatives.shape[1])
            hard = self._hard_negatives[draws.indices, drawn]
            partners = np.where(hard >= 0, hard, partners)
        mismatch = draws.uniform(Stream.MISMATCH) < self.config.mismatch_probability
        return np.where(mismatch & (partners >= 0), partners, draws.indices)

    def _width(self, texts: np.ndarray) -> int:
        if not self._show_text:
            return NO_TEXT
        longest = int(self.records.index.text_lengths(texts).max()) + 2
        return min(-(-longest // 8) * 8, self.config.max_text_length)

    def _tokens(self, texts: np.ndarray, width: int, draws: Draws) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lays out [CLS] text [SEP]: ids, word ids (-1 where there is no word) and mask, int32 [B, width]."""
        ids, words, present = self.records.index.texts(texts, width - 2)
        if self.training and self.config.word_dropout and present.any():
            ids, words, present = self._without_words(ids, words, present, draws)
        lengths = present.sum(axis=1)
        token_ids = np.full((len(texts), width), self._pad_id, np.int32)
        token_ids[:, 1:-1] = np.where(present, ids, self._pad_id)
        token_ids[:, 0] = self._cls_id
        token_ids[np.arange(len(texts)), lengths + 1] = self._sep_id
        word_ids = np.pad(np.where(present, words, -1), ((0, 0), (1, 1)), constant_values=-1)
        token_mask = (np.arange(width) < lengths[:, None] + 2).astype(np.int32)
        return token_ids, word_ids, token_mask

    def _without_words(
        self, ids: np.ndarray, words: np.ndarray, present: np.ndarray, draws: Draws
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Leaves words out of texts; their other words move together and keep their ids."""
        luck = draws.uniform(Stream.WORD_DROPOUT, int(words.max()) + 1)
        luck = np.where(present, np.take_along_axis(luck, words.astype(np.int64), axis=1), -1.0)
        # The luckiest word stays whatever the share.
        kept = present & ((luck >= self.config.word_dropout) | (luck == luck.max(axis=1, keepdims=True)))
        order = np.argsort(~kept, axis=1, kind="stable")
        ids, words, kept = (np.take_along_axis(values, order, axis=1) for values in (ids, words, kept))
        return ids, words, kept
