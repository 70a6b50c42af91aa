import numpy as np
import pytest

from kaleido.app.checkpoints import ARRAYS, Checkpoint, CheckpointStore
from kaleido.errors import UserError


def checkpoint(step):
    return Checkpoint(step, {"model/a": np.full((2, 3), step, np.float32)}, {"best": 0.1 + 0.2, "window": []})


def test_saved_and_loaded_is_equal(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    store.save(checkpoint(5))
    loaded = store.load(5)
    assert loaded.step == 5 and loaded.state == {"best": 0.1 + 0.2, "window": []}
    np.testing.assert_array_equal(loaded.arrays["model/a"], np.full((2, 3), 5))


def test_keeps_the_latest_and_the_best(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    for step in range(1, 7):
        store.save(checkpoint(step), best=step == 2)
    assert store.steps() == [2, 5, 6] and store.best() == 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.json",
        "step-00000002",
        "step-00000005",
        "step-00000006",
    }


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, damage):
    store = CheckpointStore(tmp_path, keep=3)
    store.save(checkpoint(1))
    path = store.save(checkpoint(2)) / ARRAYS
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    else:
        content[-1] ^= 1
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    latest, problems = store.load_latest()
    assert latest.step == 1
    assert len(problems) == 1 and "step-00000002" in problems[0]
    with pytest.raises(UserError):
        store.load(2)


def test_a_half_written_checkpoint_is_no_checkpoint(tmp_path):
    store = CheckpointStore(tmp_path, keep=3)
    store.save(checkpoint(1))
    (tmp_path / ".step-00000002.tmp").mkdir()
    (tmp_path / "step-00000003").mkdir()
    assert store.load_latest()[0].step == 1
    store.save(checkpoint(2))
    assert store.steps() == [1, 2]


def test_empty_folder(tmp_path):
    assert CheckpointStore(tmp_path / "none", 1).load_latest() == (None, [])
