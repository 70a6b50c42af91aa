"""How measurements are planned, bounded and compared with the twin, without measuring."""

import os
import time

import pytest

from kaleido.bench import measurements
from kaleido.bench.config import PRESETS, BenchConfig
from kaleido.bench.results import listing
from kaleido.errors import UserError

LIMITS = {"device": "abacus", "accelerators": 0, "memory": 1e9, "device memory": 1e9, "bfloat16": 1e12}


@pytest.fixture
def run(monkeypatch):
    """`run(limits, **answers)`: what the preset yields where each measurement answers, or raises, as said."""

    def apply(limits, **answers):
        asked = {}

        def process(work, *arguments, seconds):
            if work is measurements._limits:
                return limits
            name, config, _ = arguments
            asked[f"{name} {config.size}"] = (config, seconds)
            answer = answers.get(name, {"settings": {}, "values": {"examples_per_second": 10.0}})
            if isinstance(answer, Exception):
                raise answer
            return answer(config) if callable(answer) else answer

        monkeypatch.setattr(measurements, "_in_its_own_process", process)
        return dict(measurements.measure(BenchConfig(preset="gpu"))), asked

    return apply


@pytest.mark.parametrize(("accelerators", "batch_size", "limit"), [(0, 16, 900), (2, 256, 240)])
def test_batches_and_time_are_those_of_the_device(run, accelerators, batch_size, limit):
    found, asked = run({**LIMITS, "accelerators": accelerators})
    plan = found.pop("gpu")
    assert f"{limit} s together at most" in plan and "1 TFLOP/s" in plan
    assert list(found) == list(PRESETS["gpu"])
    for config, seconds in asked.values():
        assert (config.batch_size, config.precision) == (batch_size, "mixed_bfloat16")
        assert limit - 1 < seconds <= limit


def test_rates_are_compared_with_the_twin(run, monkeypatch):
    monkeypatch.setattr(measurements, "find_spec", lambda name: True)

    def training(config):
        rate = {"base": 30.0, "small": 80.0}[config.size]
        return {"settings": {"devices": 2}, "values": {"examples_per_second": rate}}

    found, _ = run(LIMITS, training=training)
    assert found["twin base"]["values"]["ours_over_twin"] == 1.5
    assert found["twin small"]["values"]["ours_over_twin"] == 4
    assert "ours_over_twin           1.5 times" in listing("twin base", found["twin base"])


def test_what_is_not_measured_is_named(run, monkeypatch):
    monkeypatch.setattr(measurements, "find_spec", lambda name: None)
    broken = ValueError("no such kernel")
    found, _ = run(LIMITS, preparing=TimeoutError(), reading=broken)
    assert found["twin base"] == "left out: PyTorch is not installed (extra `twin`)"
    assert found["preparing"] == "left out: not done within the 900 s of all measurements (--limit)"
    assert found["reading"] is broken
    assert found["captioning base"]["values"]


def test_a_measurement_ends_in_time_and_its_processes_with_it(tmp_path):
    with pytest.raises(TimeoutError):
        measurements._in_its_own_process(_wait_with_a_child, tmp_path / "child", seconds=3)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_measurement_is_told():
    with pytest.raises(UserError, match="was killed, perhaps for lack of memory"):
        measurements._in_its_own_process(os._exit, 1, seconds=None)


def _wait_with_a_child(file):
    if (child := os.fork()) == 0:
        time.sleep(60)
        os._exit(0)
    file.write_text(str(child))
    time.sleep(60)


def _runs(process):
    """Whether a process is there; one that has ended and that nobody has waited for is not."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
