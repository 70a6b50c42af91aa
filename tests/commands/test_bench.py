"""The subcommand `bench`: measurements in processes of their own, and their comparison."""

import json
import socket

import numpy as np
import pytest

from kaleido.__main__ import main
from kaleido.bench import machine


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Of the quickest measurement."""
    path = tmp_path_factory.mktemp("bench") / "result.json"
    command = ["bench", "reading", "--seconds", "0.2", "--feature-size", "16", "--workers", "1", "--out", str(path)]
    assert main(command) == 0
    return path


def test_reading_is_measured_beside_its_floor(result):
    saved = json.loads(result.read_text())
    assert saved["environment"]["cores"] == machine.cores()
    assert saved["environment"]["numpy"] == np.__version__
    assert socket.gethostname() not in saved["environment"].values()
    ((name, reading),) = saved["measurements"].items()
    assert (name, reading["settings"]["feature_size"]) == ("reading", 16)
    values = reading["values"]
    assert values["bound_by"] == "memory"
    floor = values["memory_bytes_per_second"] / values["bytes_per_example"]
    assert values["share_of_floor"] == pytest.approx(values["examples_per_second"] / floor)
    assert values["peak_resident_bytes"] > 2 * values["bytes_per_example"] * reading["settings"]["batch_size"]


def test_the_originals_text_is_measured(capsys, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # to compile takes longer than to measure
    assert main(["bench", "original", "--seconds", "0.1", "--feature-size", "8", "--batch-size", "16"]) == 0
    assert "processor_ms" in capsys.readouterr().out


def test_compare(result, tmp_path, capsys):
    worse = json.loads(result.read_text())
    worse["measurements"]["reading"]["values"]["examples_per_second"] *= 0.8
    after = tmp_path / "after.json"
    after.write_text(json.dumps(worse))
    assert main(["bench", "--compare", str(result), str(after)]) == 0
    assert "| 0.800 |" in capsys.readouterr().out
    assert main(["bench", "--compare", str(result), str(after), "--tolerance", "25"]) == 0
    assert main(["bench", "--compare", str(result), str(after), "--tolerance", "15"]) == 1
    assert main(["bench", "--compare", str(result), str(tmp_path / "absent.json")]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "absent.json" in error


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--workers", "0"], ["--precision", "float16"], ["--size", "huge"]]
)
def test_wrong_arguments(arguments, capsys):
    assert main(["bench", "reading", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_preset_has_its_own_settings(capsys):
    assert main(["bench", "--preset", "gpu", "--size", "base", "--batch-size", "8"]) == 2
    assert "Received: batch_size, size" in capsys.readouterr().err
