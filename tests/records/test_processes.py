"""Batches made in other processes."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kaleido.errors import UserError
from kaleido.records import processes as processes_module
from kaleido.records.config import PipelineConfig
from kaleido.records.pipeline import Pipeline
from kaleido.records.stream import BatchStream

CONFIG = PipelineConfig(workers=2, prefetch=1, max_text_length=32, worker_kind="threads")
PROCESSES = replace(CONFIG, worker_kind="processes")


class Failing(BatchStream):
    """A stream whose batches from the fourth on fail in some way."""

    def __init__(self, records, config, kind: str):
        super().__init__(records, config, 4)
        self._kind = kind

    def batch(self, step):
        if step > 2:
            if self._kind == "user":
                raise UserError("no such record. Received: 3")
            if self._kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ZeroDivisionError("a bug")
        return {"values": np.full(9, step)}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("workers", [1, 3])
def test_processes_make_the_same_batches(records, tokenizer, workers, monkeypatch):
    # So that small batches lie in shared memory too.
    monkeypatch.setattr(processes_module, "_SMALL", 0)
    threads = Pipeline(records, CONFIG, tokenizer, 16, seed=5)
    processes = Pipeline(records, replace(PROCESSES, workers=workers), tokenizer, 16, seed=5)
    # All are kept, so that memory is not used again while arrays refer to it.
    kept = list(processes.iterate(3, 28))
    for first, second in zip(kept, threads.iterate(3, 28), strict=True):
        assert_same(first, second)


def test_memory_is_used_again_when_nothing_refers_to_it(records, tokenizer):
    batches = Pipeline(records, PROCESSES, tokenizer, 16, seed=5).iterate()
    addresses = set()
    for _ in range(40):
        batch = next(batches)
        view = batch["level5"][0]
        before, address = view.copy(), batch["level5"].ctypes.data
        del batch
        next(batches)
        np.testing.assert_array_equal(view, before)
        addresses.add(address)
    batches.close()
    assert 1 < len(addresses) < 12


@pytest.mark.parametrize("framework", ["jax", "tensorflow"])
def test_a_framework_keeps_the_memory_that_it_refers_to(records, tokenizer, framework, monkeypatch):
    """On a CPU both may view an array's memory instead of copying it."""
    monkeypatch.setattr(processes_module, "_SMALL", 0)
    library = pytest.importorskip(framework)
    place = library.device_put if framework == "jax" else library.convert_to_tensor
    batches = Pipeline(records, PROCESSES, tokenizer, 16, seed=5).iterate()
    held = deque(maxlen=3)
    for _ in range(40):
        batch = next(batches)
        held.append([(place(array), array.copy()) for array in batch.values()])
        del batch
        for placed, copied in itertools.chain(*held):
            np.testing.assert_array_equal(np.asarray(placed), copied)
    batches.close()


class TakenInBetween(deque):
    """Slots of which another thread takes the last one after this one has looked."""

    def __bool__(self):
        return True


def test_batches_beyond_the_slots_are_copied(records, tokenizer, monkeypatch):
    monkeypatch.setattr(processes_module, "_SMALL", 0)
    pipeline = Pipeline(records, PROCESSES, tokenizer, 16, seed=5)
    processes = processes_module.BatchProcesses(pipeline, 1, pipeline.batch(0), slots=1)
    processes._free = TakenInBetween(processes._free)
    kept = [processes.batch(step) for step in range(3)]
    for step, batch in enumerate(kept):
        assert_same(batch, pipeline.batch(step))
    processes.close()


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("user", UserError, "^no such record. Received: 3$"),
        ("killed", UserError, "was killed"),
        ("bug", RuntimeError, "ZeroDivisionError: a bug"),
    ],
)
def test_a_failure_reaches_who_asked(records, kind, error, message, monkeypatch):
    # The processes import this module to make the stream.
    monkeypatch.syspath_prepend(os.path.dirname(__file__))
    batches = Failing(records, PROCESSES, kind).iterate()
    assert [next(batches)["values"][0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(error, match=message):
        next(batches)


def test_what_cannot_be_sent_is_told(records):
    stream = Failing(records, PROCESSES, "user")
    stream.function = lambda: None
    with pytest.raises(UserError, match=r"set preprocess_config\.worker_kind to threads"):
        next(stream.iterate())


KILLED = """
import os, sys, time
from types import SimpleNamespace
from kaleido.records.config import PipelineConfig
from kaleido.records.pipeline import Pipeline
from kaleido.records.reader import PhotoRecords

if __name__ != "__main__":
    raise SystemExit("the main module was run again")
tokenizer = SimpleNamespace(vocab_size=1000, pad_id=0, unk_id=1, cls_id=2, sep_id=3, mask_id=4, special_ids=range(5))
config = PipelineConfig(workers=2, worker_kind="processes")
batches = Pipeline(PhotoRecords.open(sys.argv[1], "train"), config, tokenizer, 8).iterate()
for _ in range(4):
    next(batches)
# Any thread may have started them.
tasks = [f"/proc/self/task/{task}/children" for task in os.listdir("/proc/self/task")]
print(*" ".join(open(task).read() for task in tasks).split(), flush=True)
# Not one long sleep: a signal that comes just before a sleep does not cut it short.
for _ in range(600):
    time.sleep(0.1)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_they_end_with_their_parent(synthetic, how):
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED, synthetic], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    # After the line that tells how many there are.
    children = next(line for line in parent.stdout if line[0].isdigit()).split()
    assert len(children) == 2
    parent.send_signal(how)
    parent.wait(30)
    deadline = time.monotonic() + 30
    while left := [child for child in children if os.path.exists(f"/proc/{child}")]:
        assert time.monotonic() < deadline, [Path(f"/proc/{child}/stat").read_text() for child in left]
        time.sleep(0.05)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_all_processes_do_not_end_them(records, tokenizer, number):
    """The signal arrives while they start, before Python could ignore it."""
    pipeline = Pipeline(records, PROCESSES, tokenizer, 16, seed=5)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    processes = processes_module.BatchProcesses(pipeline, 2, pipeline.batch(0), slots=4)
    for process in processes._processes:
        process.send_signal(number)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    for step in range(4):
        assert_same(processes.batch(step), pipeline.batch(step))
    processes.close()
