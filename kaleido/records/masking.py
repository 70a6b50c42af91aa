"""Alignment Guided Masking (AGM): the choice of the words and patches that the model has to complete (paper, 3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kaleido.constants import LEVEL_SLICES, PATCHES
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.records.draws import Draws, Stream
from kaleido.records.guidance import MASKED_PATCHES, select_pairs
from kaleido.records.pairs import Pairs
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.text import Tokenizer

_FIRST_PATCH = LEVEL_SLICES[min(MASKED_PATCHES) - 1].start
_MASK_SHARE, _RANDOM_SHARE = 0.8, 0.1


def resolve_masking(config: PipelineConfig, records: SplitRecords) -> PipelineConfig:
    """Replaces `masking: auto` by what it means for these records, and checks that `guided` has pairs to go by.

    Args:
        config: Configuration of the run.
        records: Records that are trained on. Other kinds than photos keep the masking that they were made with, so the
            configuration is returned as it is.

    Raises:
        UserError: if masking shall be guided and `align` has written no pairs.
    """
    if not isinstance(records, PhotoRecords):
        return config
    if config.masking == "guided" and not records.has_pairs:
        raise UserError(
            f"{records.directory}: the {records.split} records have no pairs of words and patches to guide masking; "
            f"run `kaleido align --records {records.directory}` first, or set preprocess_config.masking to auto. "
            "Received: guided"
        )
    if config.masking == "auto":
        return replace(config, masking="guided" if records.has_pairs else "random")
    return config


@dataclass(frozen=True, slots=True)
class Masks:
    """The masked tokens and patches of B texts and photos, M token slots each.

    Attributes:
        token_ids: int32 [B, T], the masked texts.
        mlm_positions: int32 [B, M], ascending places in the text, 0 in unused slots.
        mlm_ids: int32 [B, M], original tokens at these places, 0 in unused slots.
        mlm_weights: float32 [B, M], 1 in used slots and 0 in others.
        patches: Chosen places within levels 3, 4 and 5: int64 [B, 1], [B, 2] and [B, 3], ascending.
    """

    token_ids: np.ndarray
    mlm_positions: np.ndarray
    mlm_ids: np.ndarray
    mlm_weights: np.ndarray
    patches: dict[int, np.ndarray]


class GuidedMasking:
    """Chooses words and patches: first those of pre-aligned pairs, then random ones.

    Of a pair either the word or the patch is masked, so that it can be completed from its partner (`select_pairs`);
    unaligned words and patches fill up what the pairs leave, and without pairs the choice is random.

    Args:
        tokenizer: Tokenizer of the texts; its special tokens are never masked and never replace a word.
        probability: Share of a text's tokens that is masked; at least one word, if it fits into the slots.
        max_predictions: Number of slots M.
        whole_word: Whether the tokens of a word are masked together; otherwise each token is a word.
    """

    def __init__(self, tokenizer: Tokenizer, probability: float, max_predictions: int, whole_word: bool):
        self.probability = probability
        self.max_predictions = max_predictions
        self.whole_word = whole_word
        self._mask_id = tokenizer.mask_id
        self._ordinary_ids = np.setdiff1d(np.arange(tokenizer.vocab_size), tokenizer.special_ids).astype(np.int32)

    def __call__(self, token_ids: np.ndarray, word_ids: np.ndarray, pairs: Sequence[Pairs], draws: Draws) -> Masks:
        """Masks B texts.

        Args:
            token_ids: int32 [B, T].
            word_ids: int32 [B, T], the word that each token belongs to, -1 on special tokens and padding.
            pairs: Pairs of each row.
            draws: Draws of the rows.
        """
        sizes = _word_sizes(word_ids)
        left = self._budget(sizes if self.whole_word else np.minimum(sizes, 1), sizes.sum(axis=1))
        guided = select_pairs(pairs, sizes, left, draws)
        patch_order = draws.uniform(Stream.PATCH, PATCHES)
        patch_order[:, _FIRST_PATCH:] += guided.patch_rank
        left = left - (sizes * guided.words).sum(axis=1)
        chosen, aligned = guided.words, guided.aligned_words
        if not self.whole_word:
            word_ids, (chosen, aligned) = _tokens_as_words(word_ids, chosen, aligned)
            sizes = _word_sizes(word_ids)
        order = draws.uniform(Stream.WORD, sizes.shape[1])
        chosen = chosen | self._fill_up(np.where(aligned, 0, sizes), order, left)

        rows = np.arange(len(token_ids))[:, None]
        masked = (word_ids >= 0) & chosen[rows, np.maximum(word_ids, 0)]
        positions = np.argsort(~masked, axis=1, kind="stable")[:, : self.max_predictions]
        positions = np.pad(positions, ((0, 0), (0, self.max_predictions - positions.shape[1])))
        used = np.arange(self.max_predictions) < masked.sum(axis=1)[:, None]
        positions = np.where(used, positions, 0)
        return Masks(
            token_ids=self._substitute(token_ids, masked, draws),
            mlm_positions=positions.astype(np.int32),
            mlm_ids=np.where(used, token_ids[rows, positions], 0).astype(np.int32),
            mlm_weights=used.astype(np.float32),
            patches={
                level: np.sort(np.argsort(patch_order[:, LEVEL_SLICES[level - 1]], axis=1)[:, :count], axis=1)
                for level, count in MASKED_PATCHES.items()
            },
        )

    def _budget(self, sizes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Computes the most tokens to mask, int64 [B]: enough for the shortest word that fits into the slots."""
        eligible = (sizes > 0) & (sizes <= self.max_predictions)
        shortest = np.where(eligible, sizes, self.max_predictions).min(axis=1)
        return np.clip(np.rint(self.probability * tokens).astype(np.int64), shortest, self.max_predictions)

    def _fill_up(self, sizes: np.ndarray, order: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Chooses words in order of their keys, skipping those too long for what is left, as BERT does: bool [B, W]."""
        eligible = (sizes > 0) & (sizes <= left[:, None])
        shortest = np.where(eligible, sizes, self.max_predictions + 1).min(axis=1)
        chosen = np.zeros(sizes.shape, bool)
        rows = np.arange(len(sizes))
        for word in np.argsort(np.where(eligible, order, np.inf), axis=1).T:
            if not (left >= shortest).any():
                break
            fits = eligible[rows, word] & (sizes[rows, word] <= left)
            chosen[rows, word] = fits
            left = left - np.where(fits, sizes[rows, word], 0)
        return chosen

    def _substitute(self, token_ids: np.ndarray, masked: np.ndarray, draws: Draws) -> np.ndarray:
        """Puts [MASK] in 80 % of the places and a random token in 10 %, and leaves the rest as it is."""
        width = token_ids.shape[1]
        kind = draws.uniform(Stream.SUBSTITUTION, width)
        random_ids = self._ordinary_ids[draws.integers(Stream.SUBSTITUTE, len(self._ordinary_ids), width)]
        shown = np.where(kind < _MASK_SHARE, self._mask_id, random_ids)
        return np.where(masked & (kind < _MASK_SHARE + _RANDOM_SHARE), shown, token_ids).astype(np.int32)


def _word_sizes(word_ids: np.ndarray) -> np.ndarray:
    """Counts the tokens of each word: int64 [B, W]."""
    batch, words = len(word_ids), max(int(word_ids.max(initial=0)) + 1, 1)
    slots = (np.arange(batch)[:, None] * words + word_ids)[word_ids >= 0]
    return np.bincount(slots, minlength=batch * words).reshape(batch, words)


def _tokens_as_words(word_ids: np.ndarray, *of_words: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Numbers tokens instead of words; values of words, bool [B, W], become values of their tokens."""
    tokens = np.where(word_ids >= 0, np.cumsum(word_ids >= 0, axis=1) - 1, -1)
    row, place = np.nonzero(word_ids >= 0)
    of_tokens = []
    for values in of_words:
        told = np.zeros((len(word_ids), max(int(tokens.max(initial=0)) + 1, 1)), bool)
        told[row, tokens[row, place]] = values[row, word_ids[row, place]]
        of_tokens.append(told)
    return tokens, of_tokens
