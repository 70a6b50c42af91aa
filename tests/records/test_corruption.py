import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.records.corruption import PERMUTATIONS, Corruption, clean_photos, gather
from kaleido.records.draws import Draws
from kaleido.records.pipeline import TASKS
from kaleido.records.reader import PhotoView


def photos_of(rows: int) -> list[PhotoView]:
    """Vectors that tell their photo and row: 100 * photo + row."""
    vectors = [np.tile((100 * p + np.arange(74))[:, None], 3).astype(np.float16) for p in range(rows)]
    return [PhotoView(v, np.zeros((55, 5), np.float32)) for v in vectors]


def corrupt(rows: int, seed: int, tasks=TASKS) -> dict[str, np.ndarray]:
    draws = Draws(seed, np.zeros(rows, np.int64), np.arange(rows))
    random = np.random.default_rng(seed)
    patches = {
        level: np.sort(np.array([random.choice(cells, count, replace=False) for _ in range(rows)]).reshape(rows, count))
        for level, cells, count in ((3, 9, 1), (4, 16, 2), (5, 25, 3))
    }
    table = np.concatenate([np.zeros((1, 3), np.float16), *(photo.vectors for photo in photos_of(rows))])
    first = 1 + 74 * np.arange(rows)
    corruption = Corruption.draw(tasks, patches, draws)
    return gather(table, corruption.rows(first, np.roll(first, -1))) | corruption.labels


@given(st.integers(1, 12), st.integers(0, 999))
@settings(max_examples=60)
def test_labels_tell_what_was_done(rows, seed):
    batch = corrupt(rows, seed)
    for row in range(rows):
        level = {n: batch[f"level{n}"][row, :, 0].astype(int) - 100 * row for n in range(1, 6)}
        assert level[1].tolist() == [batch["rotation_label"][row]]
        assert level[2].tolist() == (4 + PERMUTATIONS[batch["jigsaw_label"][row]]).tolist()

        whole = 8 + np.arange(9)
        replaced = np.flatnonzero(level[3] != whole)
        if rows > 1:
            assert replaced.tolist() == [batch["camouflage_label"][row]]
            donor = level[3][replaced[0]] + 100 * row - 100 * ((row + 1) % rows)
            assert 8 <= donor < 17

        grey = batch["grey_positions"][row]
        assert np.flatnonzero(level[4] == 33 + np.arange(16)).tolist() == grey.tolist()
        assert (np.delete(level[4], grey) == np.delete(17 + np.arange(16), grey)).all()
        assert (batch["grey_targets"][row, :, 0] - 100 * row == 17 + grey).all()

        blank = batch["blank_positions"][row]
        assert (batch["level5"][row, blank] == 0).all()
        assert (np.delete(level[5], blank) == np.delete(49 + np.arange(25), blank)).all()
        assert (batch["blank_targets"][row, :, 0] - 100 * row == 49 + blank).all()


def test_all_classes_occur():
    batch = corrupt(600, 0)
    assert np.bincount(batch["rotation_label"], minlength=4).min() > 100
    assert np.bincount(batch["jigsaw_label"], minlength=24).min() > 8


def test_without_tasks_the_photo_is_whole():
    batch = corrupt(4, 0, tasks=())
    assert sorted(batch) == [f"level{n}" for n in range(1, 6)]
    whole = np.concatenate([batch[f"level{n}"][2, :, 0] for n in range(1, 6)]) - 200
    assert whole.tolist() == [0, *range(4, 33), *range(49, 74)]


def test_clean_photos_are_those_of_a_corruption_by_no_task():
    photos = photos_of(5)
    whole, plain = corrupt(5, 0, tasks=()), clean_photos(photos)
    assert whole.keys() | {"positions"} == plain.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], plain[name])
