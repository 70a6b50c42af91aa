import resource
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from kaleido.app.checkpoints import ARRAYS, STATE, Checkpoint, CheckpointStore, CheckpointWriter
from kaleido.errors import UserError


def checkpoint(step):
    return Checkpoint(step, {"model/a": np.full((2, 3), step, np.float32)}, {"best": 0.1 + 0.2, "window": []})


@contextmanager
def largest_file(size):
    """A disk that refuses to let a file grow beyond some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


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
    assert {path.name for path in tmp_path.iterdir()} == {"step-00000002", "step-00000005", "step-00000006"}


@pytest.mark.parametrize("file", [ARRAYS, STATE])
@pytest.mark.parametrize("damage", ["empty", "cut", "remove"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(tmp_path, file, damage):
    store = CheckpointStore(tmp_path, keep=3)
    store.save(checkpoint(1))
    path = store.save(checkpoint(2)) / file
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    latest, problems = store.load_latest()
    assert latest.step == 1
    assert len(problems) == 1 and "step-00000002" in problems[0]
    with pytest.raises(UserError):
        store.load(2)


@pytest.mark.parametrize("file", [ARRAYS, STATE])
def test_any_flipped_bit_is_noticed(tmp_path, file):
    store = CheckpointStore(tmp_path, keep=1)
    path = store.save(checkpoint(1)) / file
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=file):
            store.load(1)


def test_where_no_checkpoint_is_sound_nothing_starts_anew_unasked(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    (store.save(checkpoint(1)) / ARRAYS).write_bytes(b"")
    (tmp_path / "step-00000002").mkdir()
    with pytest.raises(UserError, match=r"no checkpoint can be read.*step-00000002.*remove this folder to start anew"):
        store.load_latest()


def test_going_on_before_an_unsound_checkpoint_keeps_the_sound_ones(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    store.save(checkpoint(3))
    (tmp_path / "step-00000009").mkdir()
    assert store.load_latest()[0].step == 3
    store.save(checkpoint(6))
    assert store.steps() == [6] and store.load_latest()[1] == []


@pytest.mark.parametrize("size", [0, 50, 200])
def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, size):
    store = CheckpointStore(tmp_path, keep=1)
    store.save(checkpoint(1))
    with largest_file(size), pytest.raises(UserError, match=r"step-00000002 cannot be written: .*File too large"):
        store.save(checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert store.load_latest()[0].step == 1
    store.save(checkpoint(2))
    assert store.load_latest()[0].step == 2


LEAVE = """
import pathlib, sys
from kaleido.atomic import temporary_name
for _ in range(2):
    name = temporary_name(pathlib.Path(sys.argv[1]))
    name.mkdir()
    print(name.name)
"""


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path):
    store = CheckpointStore(tmp_path, keep=3)
    store.save(checkpoint(1))
    left = subprocess.run([sys.executable, "-c", LEAVE, tmp_path / "step-00000002"], check=True, capture_output=True)
    for name in left.stdout.decode().split():
        (tmp_path / name / ARRAYS).touch()
    assert len(list(tmp_path.glob(".*.tmp"))) == 2
    assert store.steps() == [1] and store.load_latest()[1] == []
    store.save(checkpoint(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_empty_folder(tmp_path):
    assert CheckpointStore(tmp_path / "none", 1).load_latest() == (None, [])


class SlowStore(CheckpointStore):
    """Saves only when it is allowed to."""

    def __init__(self, directory):
        super().__init__(directory, keep=5)
        self.allowed = threading.Event()

    def save(self, checkpoint, best=False):
        assert self.allowed.wait(60)
        return super().save(checkpoint, best)


def test_the_writer_saves_beside_its_caller_and_is_done_at_the_end(tmp_path):
    store = SlowStore(tmp_path)
    with CheckpointWriter(store) as writer:
        writer.save(lambda: checkpoint(1), best=True)
        writer.check()
        assert store.steps() == []
        store.allowed.set()
        writer.save(lambda: checkpoint(2))
        assert 1 in store.steps()
    assert store.steps() == [1, 2] and store.best() == 1


@pytest.mark.parametrize("ask", ["check", "wait", "save", "end"])
def test_what_the_writer_could_not_write_is_raised_once(tmp_path, ask):
    store = CheckpointStore(tmp_path / "file" / "checkpoints", keep=1)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), CheckpointWriter(store) as writer:
        writer.save(lambda: checkpoint(1))
        if ask == "check":
            while True:
                writer.check()
        if ask != "end":
            writer.save(lambda: checkpoint(2)) if ask == "save" else writer.wait()


def test_an_exception_of_the_training_comes_before_one_of_the_writer(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KeyError), CheckpointWriter(CheckpointStore(tmp_path / "file" / "checkpoints", 1)) as writer:
        writer.save(lambda: checkpoint(1))
        raise KeyError
