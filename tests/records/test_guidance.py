"""Alignment-guided masking against a plain reading of its rule, pair by pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.constants import LEVEL_SLICES
from kaleido.records.draws import Draws, Stream
from kaleido.records.guidance import MASKED_PATCHES, select_pairs
from kaleido.records.masking import GuidedMasking
from kaleido.records.pairs import Pairs

LEVEL_OF = {patch: level for level in MASKED_PATCHES for patch in range(*LEVEL_SLICES[level - 1].indices(55))}
CLS, SEP, MASK = 2, 3, 4

sizes = st.lists(st.integers(1, 4), min_size=1, max_size=14)
pair_lists = st.lists(st.tuples(st.integers(0, 16), st.integers(0, 54)), max_size=40, unique=True)
rows = st.lists(st.tuples(sizes, pair_lists), min_size=1, max_size=4)


def draws_of(count: int, seed: int = 0) -> Draws:
    return Draws(seed, np.zeros(count, np.int64), np.arange(count))


def pairs_of(listed) -> Pairs:
    word, patch = np.array(listed, np.int32).reshape(-1, 2).T
    return Pairs(word, patch, np.ones(len(listed), np.float32))


def select_plainly(sizes: list[int], listed, budget: int, drawn: np.ndarray) -> tuple[set, set, set]:
    """Masked words, masked patches and patches that must stay visible."""
    known = [
        (key, coin < 0.5, word, patch)
        for (word, patch), (key, coin) in zip(listed, drawn)
        if word < len(sizes) and patch in LEVEL_OF
    ]
    words, patches, visible = set(), set(), set()
    for _, mask_word, word, patch in sorted(known):
        partners = {p for _, _, w, p in known if w == word}
        if mask_word:
            kept = visible | partners
            room = all(
                sum(LEVEL_OF[p] == level and p not in kept | patches for p in LEVEL_OF)
                >= count - sum(LEVEL_OF[p] == level for p in patches)
                for level, count in MASKED_PATCHES.items()
            )
            spent = sum(sizes[w] for w in words)
            partner_masked = any(p in patches for p in partners)
            if word not in words and not partner_masked and spent + sizes[word] <= budget and room:
                words.add(word)
                visible = kept
        else:
            level = LEVEL_OF[patch]
            taken = sum(LEVEL_OF[p] == level for p in patches)
            if patch not in visible | patches and taken < MASKED_PATCHES[level]:
                patches.add(patch)
    return words, patches, visible


@given(rows, st.integers(0, 12), st.integers(0, 99))
@settings(max_examples=300)
def test_it_is_the_plain_rule(rows, budget, seed):
    width = max(len(of_row) for of_row, _ in rows)
    padded = np.array([of_row + [0] * (width - len(of_row)) for of_row, _ in rows])
    draws = draws_of(len(rows), seed)
    most = max(len(listed) for _, listed in rows)
    drawn = draws.uniform(Stream.PAIR, max(most, 1), 2)
    found = select_pairs([pairs_of(p) for _, p in rows], padded, np.full(len(rows), budget), draws)
    for row, (of_row, listed) in enumerate(rows):
        words, patches, visible = select_plainly(of_row, listed, budget, drawn[row])
        assert set(np.flatnonzero(found.words[row])) == words
        assert set(np.flatnonzero(found.patch_rank[row] == -1) + 5) == patches
        assert set(np.flatnonzero(found.patch_rank[row] == 2) + 5) == visible
        known = {word for word, patch in listed if word < len(of_row) and patch in LEVEL_OF}
        assert set(np.flatnonzero(found.aligned_words[row])) == known


@given(rows, st.integers(1, 10), st.booleans(), st.integers(0, 99))
@settings(max_examples=200)
def test_counts_are_exact_and_no_pair_is_masked_on_both_sides(tokenizer, rows, slots, whole_word, seed):
    width = max(sum(of_row) for of_row, _ in rows) + 3
    token_ids, word_ids = np.zeros((len(rows), width), np.int32), np.full((len(rows), width), -1, np.int32)
    for row, (of_row, _) in enumerate(rows):
        length = sum(of_row)
        token_ids[row, 0], token_ids[row, length + 1] = CLS, SEP
        token_ids[row, 1 : length + 1] = 10
        word_ids[row, 1 : length + 1] = np.repeat(np.arange(len(of_row)), of_row)
    masking = GuidedMasking(tokenizer, 0.3, slots, whole_word)
    masks = masking(token_ids, word_ids, [pairs_of(p) for _, p in rows], draws_of(len(rows), seed))
    for row, (of_row, listed) in enumerate(rows):
        places = masks.mlm_positions[row][masks.mlm_weights[row] > 0]
        words = word_ids[row, places]
        assert (words >= 0).all() and len(places) <= slots
        chosen = set()
        for level, count in MASKED_PATCHES.items():
            assert len(set(masks.patches[level][row])) == count
            chosen |= {LEVEL_SLICES[level - 1].start + place for place in masks.patches[level][row].tolist()}
        assert not any(word in words and patch in chosen for word, patch in listed)
        if whole_word:
            assert all((words == word).sum() == of_row[word] for word in set(words.tolist()))


def test_aligned_words_are_no_fill_up_and_unaligned_patches_come_first(tokenizer):
    count = 400
    word_ids = np.tile(np.r_[-1, np.arange(10), -1], (count, 1))
    token_ids = np.where(word_ids >= 0, 10, CLS)
    listed = [(0, patch) for patch in range(5, 9)] + [(1, patch) for patch in range(5, 9)]
    masks = GuidedMasking(tokenizer, 0.2, 10, True)(token_ids, word_ids, [pairs_of(listed)] * count, draws_of(count))
    assert (masks.mlm_weights.sum(axis=1) == 2).all()
    camouflaged = masks.patches[3][:, 0]
    words = np.where(masks.mlm_weights > 0, masks.mlm_positions - 1, -1)
    by_pair = np.isin(words, (0, 1)).any(axis=1)
    # Where no patch of a pair was masked, both words could be: nothing of a pair is left to chance afterwards.
    assert (camouflaged[by_pair] >= 4).mean() > 0.4
    assert ((camouflaged < 4) | by_pair).all()


def test_sides_and_substitutes_are_fair(tokenizer):
    count = 10_000
    word_ids = np.tile([-1, 0, 1, 2, -1], (count, 1))
    token_ids = np.where(word_ids >= 0, 10, CLS)
    masks = GuidedMasking(tokenizer, 0.15, 10, True)(
        token_ids, word_ids, [pairs_of([(1, 20)])] * count, draws_of(count)
    )
    by_word = (masks.mlm_positions[:, 0] == 2) & (masks.mlm_weights[:, 0] > 0)
    by_patch = np.isin(20 - LEVEL_SLICES[3].start, masks.patches[4]) & (masks.patches[4] == 6).any(axis=1)
    assert abs(by_word.sum() - count / 2) < 3 * np.sqrt(count / 4)
    assert (by_word != by_patch).mean() > 0.999
    position = masks.mlm_positions[:, 0]
    shown = masks.token_ids[np.arange(count), position]
    for share, hits in ((0.8, shown == MASK), (0.1, (shown != MASK) & (shown != 10)), (0.1, shown == 10)):
        # A random piece is the true one once in as many as there are.
        assert abs(hits.sum() - share * count) < 3 * np.sqrt(count * share * (1 - share)) + 0.1 * count / 100


@pytest.mark.parametrize("word", [3, 500])
def test_pairs_of_words_that_were_trimmed_do_not_count(word):
    found = select_pairs([pairs_of([(word, 5)])], np.array([[1, 2]]), np.array([5]), draws_of(1))
    assert not found.words.any() and (found.patch_rank == 0).all() and not found.aligned_words.any()
