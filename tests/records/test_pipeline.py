import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.app.features import materialise
from kaleido.bench.synthetic import write_synthetic
from kaleido.constants import LEVELS, PATCH_COUNTS, patch_counts
from kaleido.errors import UserError
from kaleido.records.config import PipelineConfig
from kaleido.records.pipeline import TASKS, Pipeline
from kaleido.records.reader import PhotoRecords

CONFIG = PipelineConfig(workers=2, prefetch=2, max_text_length=32)
BATCH = 16

CONTRACT = {
    "token_ids": ("int32", (BATCH, 32)),
    "token_mask": ("int32", (BATCH, 32)),
    "level1": ("float16", (BATCH, 1, 6)),
    "level2": ("float16", (BATCH, 4, 6)),
    "level3": ("float16", (BATCH, 9, 6)),
    "level4": ("float16", (BATCH, 16, 6)),
    "level5": ("float16", (BATCH, 25, 6)),
    "positions": ("float32", (BATCH, 55, 5)),
    "mlm_positions": ("int32", (BATCH, 10)),
    "mlm_ids": ("int32", (BATCH, 10)),
    "mlm_weights": ("float32", (BATCH, 10)),
    "itm_label": ("int32", (BATCH,)),
    "rotation_label": ("int32", (BATCH,)),
    "jigsaw_label": ("int32", (BATCH,)),
    "camouflage_label": ("int32", (BATCH,)),
    "grey_positions": ("int32", (BATCH, 2)),
    "grey_targets": ("float16", (BATCH, 2, 6)),
    "blank_positions": ("int32", (BATCH, 3)),
    "blank_targets": ("float16", (BATCH, 3, 6)),
    "paired": ("float32", (BATCH,)),
}


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert np.array_equal(first[name], second[name]), name


@pytest.fixture
def pipeline(records, tokenizer):
    return Pipeline(records, CONFIG, tokenizer, BATCH, seed=5)


def test_batches_keep_the_contract(pipeline):
    batch = pipeline.batch(3)
    assert {name: (str(array.dtype), array.shape) for name, array in batch.items()} == CONTRACT


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_makes_the_same_batches(records, tokenizer, pipeline, workers):
    other = Pipeline(records, replace(CONFIG, workers=workers, prefetch=0), tokenizer, BATCH, seed=5)
    for first, second in zip(pipeline.iterate(0, 9), other.iterate(0, 9), strict=True):
        assert_same(first, second)


def test_a_stream_may_begin_anywhere(pipeline):
    whole = list(pipeline.iterate(0, 7))
    for first, second in zip(whole[4:], pipeline.iterate(4, 7), strict=True):
        assert_same(first, second)
    assert_same(whole[0], next(iter(pipeline)))


@pytest.mark.parametrize("count", [2, 3, 16])
def test_workers_that_share_a_batch_make_its_rows(records, tokenizer, pipeline, count):
    whole = pipeline.batch(2)
    parts = [Pipeline(records, CONFIG, tokenizer, BATCH, 5, rank=rank, count=count).batch(2) for rank in range(count)]
    assert_same(whole, {name: np.concatenate([part[name] for part in parts]) for name in whole})


def test_every_epoch_shows_every_record_once(records, tokenizer):
    pipeline = Pipeline(records, CONFIG, tokenizer, BATCH, seed=1, tasks=())
    shown = np.concatenate([batch["level1"][:, 0] for batch in pipeline.iterate(0, 25)])  # 8 epochs of 50
    vectors, _ = records.read(np.arange(50))
    orders = [
        [int(np.argmin(np.abs(vectors[:, 0] - v).sum(axis=1))) for v in shown[e * 50 : e * 50 + 50]] for e in range(8)
    ]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert len({tuple(order) for order in orders}) == 8


def test_other_seeds_and_epochs_draw_otherwise(records, tokenizer, pipeline):
    other = Pipeline(records, CONFIG, tokenizer, BATCH, seed=6)
    assert not np.array_equal(pipeline.batch(0)["positions"], other.batch(0)["positions"])
    large = Pipeline(records, CONFIG, tokenizer, 100, seed=5).batch(0)  # two epochs in one batch
    again = {
        r: [i for i in range(100) if np.array_equal(large["positions"][i], large["positions"][r])] for r in range(50)
    }
    assert all(len(rows) == 2 for rows in again.values())
    assert any(large["jigsaw_label"][a] != large["jigsaw_label"][b] for a, b in again.values())


def test_evaluation_takes_each_record_once_and_repeats_itself(synthetic, tokenizer):
    validation = PhotoRecords.open(synthetic, "validation")
    first = Pipeline(validation, CONFIG, tokenizer, 8, seed=1, training=False)
    second = Pipeline(validation, CONFIG, tokenizer, 8, seed=2, training=False)
    assert first.evaluation_steps == 3
    batches = list(first)
    for one, two in zip(batches, second, strict=True):
        assert_same(one, two)
    _, positions = validation.read(np.arange(21))
    assert np.array_equal(np.concatenate([batch["positions"] for batch in batches]), positions)
    with pytest.raises(IndexError):
        first.batch(3)


@pytest.mark.parametrize("mismatch", ["any", "same_subcategory"])
def test_texts_and_labels_agree(records, tokenizer, mismatch):
    config = replace(CONFIG, mismatch=mismatch, max_text_length=90)
    pipeline = Pipeline(records, config, tokenizer, 50, training=False, tasks=("itm",))
    pairs = 0
    index = records.index
    for batch in pipeline.iterate():
        for row in range(50):
            length = batch["token_mask"][row].sum()
            text = batch["token_ids"][row, 1 : length - 1]
            shown = [r for r in range(50) if np.array_equal(index.texts(np.array([r]), len(text) + 1)[0][0, :-1], text)]
            shown = [r for r in shown if index.text_lengths(np.array([r]))[0] == len(text)]
            products = {int(index.product[r]) for r in shown}
            assert products
            assert batch["itm_label"][row] == (int(index.product[row]) in products) == batch["paired"][row]
            if mismatch == "same_subcategory":
                assert index.subcategory[row] in {index.subcategory[r] for r in shown}
            assert batch["token_ids"][row, 0] == tokenizer.cls_id
            assert batch["token_ids"][row, length - 1] == tokenizer.sep_id
            assert (batch["token_ids"][row, length:] == tokenizer.pad_id).all()
            pairs += batch["itm_label"][row]
    assert 12 < pairs < 38


def test_mismatches_show_the_texts_of_hard_negatives(records, tokenizer):
    random = np.random.default_rng(1)
    hard = random.integers(0, len(records), (len(records), 3))
    # Some have none, and are drawn as the configuration says.
    hard[::4] = -1
    config = replace(CONFIG, max_text_length=90, mismatch_probability=1.0)
    found = Pipeline(records, config, tokenizer, BATCH, seed=5, tasks=("itm",), hard_negatives=hard)
    plain = Pipeline(records, config, tokenizer, BATCH, seed=5, tasks=("itm",))
    shown = set()
    for step in range(6):
        batch, draws = found.batch(step), found.draws(step)
        for row, record in enumerate(draws.indices):
            if hard[record, 0] < 0:
                np.testing.assert_array_equal(found.texts(draws)[row], plain.texts(draws)[row])
                continue
            text = batch["token_ids"][row][: batch["token_mask"][row].sum()][1:-1]
            columns = [k for k, other in enumerate(hard[record]) if np.array_equal(text, words(records, other))]
            assert columns
            shown.update(columns)
    assert shown == {0, 1, 2}


def test_contrastive_learning_leaves_pairs_together_and_draws_for_their_negatives(records, tokenizer):
    config = replace(CONFIG, mismatch_probability=1.0)
    found = Pipeline(records, config, tokenizer, BATCH, seed=5, tasks=("mlm", "itm", "itc"))
    plain = Pipeline(records, config, tokenizer, BATCH, seed=5, tasks=("mlm",))
    draws = []
    for step in range(6):
        batch, other = found.batch(step), plain.batch(step)
        assert batch["paired"].all() and batch["itm_label"].all()
        assert_same({name: values for name, values in batch.items() if name in other}, other)
        assert batch["itm_draws"].shape == (BATCH, 2) and batch["itm_draws"].dtype == np.float32
        draws.append(batch["itm_draws"])
    assert len(np.unique(draws)) == np.size(draws) and np.min(draws) >= 0 and np.max(draws) <= 1


def words(records, record):
    ids, _, present = records.index.texts(np.array([record]), 88)
    return ids[present]


def test_width_is_the_longest_text_rounded_up(records, tokenizer):
    pipeline = Pipeline(records, replace(CONFIG, max_text_length=100), tokenizer, 4, training=False, tasks=())
    for batch in pipeline:
        width, longest = batch["token_ids"].shape[1], batch["token_mask"].sum(axis=1).max()
        assert width == -(-longest // 8) * 8


def words_left(words, tokens):
    """Counts the words, whole and in their order, that the tokens consist of; None if they consist of none."""
    if not words or not tokens:
        return None if tokens else 0
    first, *others = words
    taken = words_left(others, tokens[len(first) :]) if tokens[: len(first)] == first else None
    return words_left(others, tokens) if taken is None else taken + 1


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_training_leaves_words_out_anew_in_every_epoch(records, tokenizer, share):
    whole = Pipeline(records, replace(CONFIG, masking="random"), tokenizer, 25, tasks=())
    fewer = Pipeline(records, replace(CONFIG, masking="random", word_dropout=share), tokenizer, 25, tasks=())
    kept, seen = [], set()
    for step in range(8):  # four epochs
        before, after = whole.batch(step), fewer.batch(step)
        indices = whole.draws(step).indices
        _, words, present = records.index.texts(indices, before["token_ids"].shape[1] - 2)
        for row, record in enumerate(indices.tolist()):
            texts = [of["token_ids"][row][of["token_mask"][row] == 1].tolist() for of in (before, after)]
            assert texts[1][0] == tokenizer.cls_id and texts[1][-1] == tokenizer.sep_id
            of_words = [
                [token for token, word in zip(texts[0][1:-1], words[row][present[row]].tolist()) if word == one]
                for one in np.unique(words[row][present[row]])
            ]
            left = words_left(of_words, texts[1][1:-1])
            assert left is not None and left >= min(len(of_words), 1)
            kept.append((left, len(of_words)))
            seen.add((record, tuple(texts[1])))
        assert_same({"numbers": records.index.text[indices]}, {"numbers": after["text_numbers"]})
        assert "text_numbers" not in before
    left, words = np.sum([pair for pair in kept if pair[1] > 3], axis=0)
    assert abs(left / words - (1 - share)) < 0.12
    assert len(seen) > 1.5 * len(records)
    evaluated = Pipeline(records, replace(CONFIG, word_dropout=share), tokenizer, 25, training=False, tasks=())
    assert_same(evaluated.batch(0), Pipeline(records, CONFIG, tokenizer, 25, training=False, tasks=()).batch(0))


@given(st.integers(5, 55))
def test_patches_are_divided_among_the_levels(patches):
    counts = patch_counts(patches)
    assert sum(counts) == patches
    for count, whole in zip(counts, PATCH_COUNTS):
        assert 1 <= count <= whole and abs(count - whole * patches / 55) < 5
    assert patch_counts(55) == PATCH_COUNTS


@pytest.mark.parametrize("patches", [5, 28, 54])
def test_training_leaves_patches_out_anew_in_every_epoch(records, tokenizer, patches):
    whole = Pipeline(records, CONFIG, tokenizer, 50, tasks=("itc",))
    fewer = Pipeline(records, replace(CONFIG, patches=patches), tokenizer, 50, tasks=("itc",))
    shown = []
    for step in (0, 1):
        before, after = whole.batch(step), fewer.batch(step)
        features = [np.concatenate([of[f"level{level}"] for level in LEVELS], axis=1) for of in (before, after)]
        assert features[1].shape[1] == after["positions"].shape[1] == patches
        assert tuple(after[f"level{level}"].shape[1] for level in LEVELS) == patch_counts(patches)
        # Each patch that is left comes with its own position.
        places = (features[1][:, :, None] == features[0][:, None]).all(axis=3).argmax(axis=2)
        np.testing.assert_array_equal(np.take_along_axis(features[0], places[:, :, None], axis=1), features[1])
        expected = np.take_along_axis(before["positions"], places[:, :, None], axis=1)
        np.testing.assert_array_equal(after["positions"], expected)
        shown.append(places[np.argsort(whole.draws(step).indices)])
    assert (shown[0] != shown[1]).any()
    fewer.on_device = True
    table = np.concatenate([np.zeros((1, 6), np.float16), *features_of(records)])
    rows = materialise(fewer.batch(1) | {"features": table})
    for level in LEVELS:
        np.testing.assert_array_equal(rows[f"level{level}"], after[f"level{level}"])
    evaluated = Pipeline(records, replace(CONFIG, patches=patches), tokenizer, 50, training=False, tasks=("itc",))
    assert evaluated.batch(0)["positions"].shape[1] == 55
    with pytest.raises(UserError, match=r"must be 55 for the tasks grey, jigsaw"):
        Pipeline(records, replace(CONFIG, patches=54), tokenizer, 50, tasks=("itm", "jigsaw", "grey"))


def features_of(records):
    return [records.table[first : first + 74] for first in records.first_rows]


def test_training_on_a_share_of_the_products(records, tokenizer):
    pools = []
    for share in (0.2, 0.6, 1.0):
        pipeline = Pipeline(records, replace(CONFIG, products=share), tokenizer, BATCH)
        steps = 3 * len(records) // BATCH
        read = np.concatenate([pipeline.draws(step).indices for step in range(steps)])
        pools.append(set(records.index.product[read].tolist()))
        counts = np.bincount(read, minlength=len(records))[pipeline.examples]
        assert set(read) == set(pipeline.examples.tolist()) and counts.max() - counts.min() <= 1
    assert pools[0] < pools[1] < pools[2] and len(pools[2]) == 25
    evaluation = Pipeline(records, replace(CONFIG, products=0.2), tokenizer, BATCH, training=False)
    assert len(evaluation.examples) == len(records)
    with pytest.raises(UserError, match=r"leaves none of 50 records.*Received: 1e-09"):
        Pipeline(records, replace(CONFIG, products=1e-9), tokenizer, BATCH)


@pytest.mark.parametrize("left_out", TASKS)
def test_a_task_left_out_has_no_labels(records, tokenizer, left_out):
    tasks = tuple(task for task in TASKS if task != left_out)
    batch = Pipeline(records, CONFIG, tokenizer, BATCH, tasks=tasks).batch(0)
    gone = {name for name in CONTRACT if name.startswith(left_out)}
    assert batch.keys() == CONTRACT.keys() - gone
    if left_out == "itm":
        assert (batch["paired"] == 1).all()


def test_the_other_products_patch_is_another_products(records, tokenizer):
    whole = Pipeline(records, CONFIG, tokenizer, 50, training=False, tasks=()).batch(0)
    batch = Pipeline(records, CONFIG, tokenizer, 50, training=False, tasks=("camouflage",)).batch(0)
    vectors, _ = records.read(np.arange(50))
    for row, cell in enumerate(batch["camouflage_label"]):
        changed = (batch["level3"][row] != whole["level3"][row]).any(axis=1)
        assert np.flatnonzero(changed).tolist() == [cell]
        donors = np.flatnonzero((vectors[:, 8:17] == batch["level3"][row, cell]).all(axis=2).any(axis=1))
        assert (records.index.product[donors] != records.index.product[row]).all()


def test_a_single_product_is_refused(tmp_path, tokenizer):
    write_synthetic(tmp_path / "one", 4, {"train": 2})
    records = PhotoRecords.open(tmp_path / "one", "train")
    with pytest.raises(UserError, match="single product"):
        Pipeline(records, CONFIG, tokenizer, 2)
    Pipeline(records, CONFIG, tokenizer, 2, tasks=("mlm", "rotation")).batch(0)


def test_leaving_early_stops_the_threads(pipeline):
    assert len(list(itertools.islice(pipeline.iterate(), 2))) == 2
