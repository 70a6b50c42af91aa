"""The machine's limits, with the clock replaced where a time would have to be trusted."""

from pathlib import Path

import numpy as np
import pytest

from kaleido.bench import machine


@pytest.fixture
def half_a_second(monkeypatch):
    """Every measured call takes half a second."""

    def best_time(work, seconds):
        work()
        return 0.5

    monkeypatch.setattr(machine, "_best_time", best_time)
    monkeypatch.setattr(machine, "accelerators", lambda: 0)


def test_floor_is_the_larger_time():
    work = {"examples_per_second": 50.0, "bytes_per_example": 1e6, "memory_bytes_per_second": 1e9}
    assert machine.floor(work) == {"memory_seconds": 1e-3, "bound_by": "memory", "share_of_floor": pytest.approx(0.05)}
    found = machine.floor({**work, "flop_per_example": 1e9, "matrix_flop_per_second": 1e11})
    assert (found["bound_by"], found["share_of_floor"]) == ("matrix", pytest.approx(0.5))
    other = {"beam_examples_per_second": 10.0, "beam_flop_per_example": 1e9}
    found = machine.floor({**work, "flop_per_example": 1e9, "matrix_flop_per_second": 1e11, **other})
    assert found["beam_share_of_matrix_rate"] == pytest.approx(0.1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_matrix_product_is_two_operations_a_term(half_a_second, dtype):
    assert machine.matrix_rate(dtype) == 2 * 2048**3 / 0.5


@pytest.mark.parametrize("threads", [1, 2])
def test_a_copy_reads_and_writes_every_byte(half_a_second, threads):
    assert machine.memory_bandwidth(threads) == threads * 2 * 2**27 / 0.5


def test_calls_a_second(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(machine.time, "perf_counter", lambda: clock[0])

    def call():
        calls.append(None)
        clock[0] += 0.25

    assert machine.calls_per_second(call, 1.0) == 4
    assert len(calls) == 4
    assert machine.calls_per_second(call, 0.0) == 4
    assert len(calls) == 5


def test_the_peak_of_memory_is_in_bytes_and_never_falls():
    values = np.ones(1 << 26, np.uint8)
    peak = machine.peak_resident_bytes()
    assert peak > values.nbytes
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert peak == pytest.approx(1024 * int(line.split()[1]), rel=0.05)
    del values
    assert machine.peak_resident_bytes() >= peak
