"""The choice of the pre-aligned pairs that are masked, and of the side (AGM, paper section 3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaleido.constants import LEVEL_SLICES, PATCHES
from kaleido.records.draws import Draws, Stream
from kaleido.records.pairs import Pairs

MASKED_PATCHES = {3: 1, 4: 2, 5: 3}
"""Patches that are masked at each level: camouflaged, greyed, blanked."""

_FIRST = LEVEL_SLICES[min(MASKED_PATCHES) - 1].start
_LEVEL_STARTS = [LEVEL_SLICES[level - 1].start - _FIRST for level in MASKED_PATCHES]
_LEVEL_OF = np.repeat(np.arange(len(MASKED_PATCHES)), [level * level for level in MASKED_PATCHES])


@dataclass(frozen=True, slots=True)
class Guidance:
    """The choice that pairs make for B texts of W words and their photos' 50 patches of levels 3, 4 and 5.

    Attributes:
        words: bool [B, W], True for words that are masked.
        aligned_words: bool [B, W], True for words of any pair, which random masking leaves out.
        patch_rank: float64 [B, 50], -1 for patches that are masked, 0 for unaligned ones, 1 for those of skipped
            pairs, 2 for those whose word is masked. There are always enough below 2 to fill the levels.
    """

    words: np.ndarray
    aligned_words: np.ndarray
    patch_rank: np.ndarray


def select_pairs(pairs: Sequence[Pairs], sizes: np.ndarray, budget: np.ndarray, draws: Draws) -> Guidance:
    """Takes the pairs of each row in random order, and masks the word or the patch of each by a fair coin.

    A pair is skipped when that side must not be masked: it is masked already, or another pair needs it to complete
    its own partner, or nothing is left of the word budget or of the level's count. So never both sides of a pair are
    masked, and enough other patches stay for the counts to be met.

    Args:
        pairs: Pairs of each row; those whose word is not in the text (it can have been cut off) count as absent.
        sizes: int64 [B, W], number of tokens of each word, 0 where there is none.
        budget: int64 [B], largest number of tokens to mask.
        draws: Draws of the rows.
    """
    batch, width = sizes.shape
    words, aligned = np.zeros((batch, width), bool), np.zeros((batch, width), bool)
    open_words = sizes > 0
    shown, hidden = np.zeros((batch, PATCHES - _FIRST), bool), np.zeros((batch, PATCHES - _FIRST), bool)
    word, patch, coin = _in_random_order(pairs, sizes, draws)
    if not word.shape[1]:
        return Guidance(words, aligned, np.zeros(shown.shape))
    row, number = np.nonzero(word >= 0)
    aligned[row, word[row, number]] = True
    paired_patches = np.zeros(shown.shape, bool)
    paired_patches[row, patch[row, number]] = True
    left = budget.copy()
    counts = np.tile(np.array(list(MASKED_PATCHES.values())), (batch, 1))

    for turn in range(word.shape[1]):
        rows = np.flatnonzero((word[:, turn] >= 0) & ((left > 0) | counts.any(axis=1)))
        if not len(rows):
            break
        heads = coin[rows, turn]

        at, w = rows[heads], word[rows[heads], turn]
        fits = open_words[at, w] & (sizes[at, w] <= left[at])
        at, w = at[fits], w[fits]
        partner, place = np.nonzero(word[at] == w[:, None])
        shows = shown[at]
        shows[partner, patch[at[partner], place]] = True
        free = np.add.reduceat(~shows & ~hidden[at], _LEVEL_STARTS, axis=1)
        enough = (free >= counts[at]).all(axis=1)
        at, w = at[enough], w[enough]
        words[at, w] = True
        open_words[at, w] = False
        shown[at] = shows[enough]
        left[at] -= sizes[at, w]

        at, p = rows[~heads], patch[rows[~heads], turn]
        fits = ~shown[at, p] & ~hidden[at, p] & (counts[at, _LEVEL_OF[p]] > 0)
        at, p = at[fits], p[fits]
        hidden[at, p] = True
        counts[at, _LEVEL_OF[p]] -= 1
        partner, place = np.nonzero((patch[at] == p[:, None]) & (word[at] >= 0))
        open_words[at[partner], word[at[partner], place]] = False

    return Guidance(words, aligned, np.where(hidden, -1.0, np.where(shown, 2.0, paired_patches)))


def _in_random_order(
    pairs: Sequence[Pairs], sizes: np.ndarray, draws: Draws
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shuffles the pairs of each row.

    Returns:
        Words int64, patches from level 3 on int64 and coins bool, each [B, P]; the word is -1 where there is no pair.
    """
    counts = [len(of_row.word) for of_row in pairs]
    most = max(counts, default=0)
    row = np.repeat(np.arange(len(pairs)), counts)
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    word, patch = np.full((len(pairs), most), -1), np.zeros((len(pairs), most), np.int64)
    if not most:
        return word, patch, word > 0
    of_pair = np.concatenate([p.word for p in pairs]), np.concatenate([p.patch for p in pairs]) - _FIRST
    known = of_pair[0] < sizes.shape[1]
    known[known] = (sizes[row[known], of_pair[0][known]] > 0) & (of_pair[1][known] >= 0)
    word[row[known], number[known]] = of_pair[0][known]
    patch[row[known], number[known]] = of_pair[1][known]
    drawn = draws.uniform(Stream.PAIR, most, 2)
    order = np.argsort(np.where(word >= 0, drawn[..., 0], 2.0), axis=1)
    return tuple(np.take_along_axis(values, order, 1) for values in (word, patch, drawn[..., 1] < 0.5))
