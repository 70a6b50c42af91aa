import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.bench.synthetic import write_synthetic
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.records.draws import Draws
from kaleido.records.masking import GuidedMasking, resolve_masking
from kaleido.records.pairs import Pairs, no_pairs
from kaleido.records.reader import PhotoRecords

CLS, SEP, PAD, MASK = 2, 3, 0, 4

word_sizes = st.lists(st.integers(1, 12), max_size=20)
texts = st.lists(word_sizes, min_size=1, max_size=5)


def lay_out(texts: list[list[int]], first_id: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """[CLS] text [SEP] of words of the given sizes, padded."""
    width = max(sum(sizes) for sizes in texts) + 4
    token_ids = np.full((len(texts), width), PAD, np.int32)
    word_ids = np.full((len(texts), width), -1, np.int32)
    for row, sizes in enumerate(texts):
        length = sum(sizes)
        token_ids[row, 0], token_ids[row, length + 1] = CLS, SEP
        token_ids[row, 1 : length + 1] = first_id + np.arange(length)
        word_ids[row, 1 : length + 1] = np.repeat(np.arange(len(sizes)), sizes)
    return token_ids, word_ids


def draws_of(rows: int, seed: int = 0) -> Draws:
    return Draws(seed, np.zeros(rows, np.int64), np.arange(rows))


@given(texts, st.integers(1, 10), st.booleans(), st.integers(0, 99))
@settings(max_examples=150)
def test_masks_of_any_texts(tokenizer, texts, slots, whole_word, seed):
    token_ids, word_ids = lay_out(texts)
    masking = GuidedMasking(tokenizer, 0.15, slots, whole_word)
    masks = masking(token_ids, word_ids, [no_pairs()] * len(texts), draws_of(len(texts), seed))

    for row, sizes in enumerate(texts):
        used = masks.mlm_weights[row] > 0
        places = masks.mlm_positions[row][used]
        assert np.array_equal(used, np.arange(slots) < used.sum())
        assert np.array_equal(masks.mlm_ids[row][used], token_ids[row, places])
        assert (np.diff(places) > 0).all()
        assert (masks.mlm_positions[row][~used] == 0).all()
        assert (word_ids[row, places] >= 0).all()
        untouched = np.setdiff1d(np.arange(token_ids.shape[1]), places)
        assert np.array_equal(masks.token_ids[row, untouched], token_ids[row, untouched])
        assert not np.isin(masks.token_ids[row, places], (CLS, SEP, PAD, 1)).any()
        sizes = np.array(sizes if whole_word else [1] * sum(sizes))
        budget = np.rint(0.15 * sizes.sum())
        if (sizes <= slots).any():
            fitting = sizes[sizes <= slots].min()
            assert 1 <= len(places) <= max(min(budget, slots), fitting)
        else:
            assert len(places) == 0
        if whole_word:
            for word in np.unique(word_ids[row, places]):
                assert np.isin(np.flatnonzero(word_ids[row] == word), places).all()


def test_shares_of_replacements(tokenizer):
    token_ids, word_ids = lay_out([[1] * 60] * 2000, first_id=100)
    masks = GuidedMasking(tokenizer, 0.15, 10, True)(token_ids, word_ids, [no_pairs()] * 2000, draws_of(2000))
    used = masks.mlm_weights > 0
    shown = np.take_along_axis(masks.token_ids, masks.mlm_positions, 1)[used]
    true = masks.mlm_ids[used]
    assert used.sum(axis=1).tolist() == [9] * 2000
    assert abs((shown == MASK).mean() - 0.8) < 0.02
    assert abs((shown == true).mean() - 0.1) < 0.02
    others = shown[(shown != MASK) & (shown != true)]
    assert abs(len(others) / len(shown) - 0.1) < 0.02
    assert others.min() >= 5
    places = np.bincount(masks.mlm_positions[used], minlength=61)[1:61]
    assert places.min() > 200  # of 300 expected


def test_patches_are_distinct_and_evenly_chosen(tokenizer):
    token_ids, word_ids = lay_out([[1]] * 3000)
    masks = GuidedMasking(tokenizer, 0.15, 10, True)(token_ids, word_ids, [no_pairs()] * 3000, draws_of(3000))
    for level, cells, count in ((3, 9, 1), (4, 16, 2), (5, 25, 3)):
        chosen = masks.patches[level]
        assert chosen.shape == (3000, count)
        assert (np.diff(chosen, axis=1) > 0).all()
        counts = np.bincount(chosen.ravel(), minlength=cells)
        assert len(counts) == cells
        assert np.abs(counts - 3000 * count / cells).max() < 100


@pytest.mark.parametrize("whole_word", [True, False])
def test_pairs_come_first_and_one_side_of_each_stays(tokenizer, whole_word):
    rows = 400
    token_ids, word_ids = lay_out([[2] * 20] * rows)
    pairs = Pairs(np.array([7, 99], np.int32), np.array([32, 3], np.int32), np.array([0.9, 0.5], np.float32))
    masks = GuidedMasking(tokenizer, 0.15, 10, whole_word)(token_ids, word_ids, [pairs] * rows, draws_of(rows))
    word_masked = np.array([(word_ids[r, masks.mlm_positions[r]] == 7).any() for r in range(rows)])
    patch_masked = (masks.patches[5] == 32 - 30).any(axis=1)
    assert np.array_equal(word_masked, ~patch_masked)
    if not whole_word:
        assert (np.sum(word_ids[np.arange(rows)[:, None], masks.mlm_positions] == 7, axis=1)[word_masked] == 2).all()
    assert 0.4 < word_masked.mean() < 0.6


def test_draws_do_not_depend_on_padding_or_on_other_rows(tokenizer):
    masking = GuidedMasking(tokenizer, 0.15, 10, True)
    token_ids, word_ids = lay_out([[1, 2, 3, 1, 1, 2, 2, 1], [1] * 60])
    together = masking(token_ids, word_ids, [no_pairs()] * 2, draws_of(2))
    alone = masking(token_ids[:1, :20], word_ids[:1, :20], [no_pairs()], draws_of(1))
    assert np.array_equal(together.token_ids[:1, :20], alone.token_ids)
    assert np.array_equal(together.mlm_positions[:1], alone.mlm_positions)


def test_masking_is_resolved_by_the_pairs_of_the_records(records, tmp_path):
    write_synthetic(tmp_path / "aligned", 6, {"train": 12}, pairs_a_photo=3)
    aligned = PhotoRecords.open(tmp_path / "aligned", "train")
    assert resolve_masking(PipelineConfig(), aligned).masking == "guided"
    assert resolve_masking(PipelineConfig(), records).masking == "random"
    for masking in ("guided", "random"):
        assert resolve_masking(PipelineConfig(masking=masking), aligned).masking == masking
    with pytest.raises(UserError, match=r"no pairs.*kaleido align --records"):
        resolve_masking(PipelineConfig(masking="guided"), records)
