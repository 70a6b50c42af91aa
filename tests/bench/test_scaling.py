"""The measurements of growth with a catalogue, on a small one and in one process."""

import pytest

from kaleido.bench import scaling
from kaleido.bench.config import STAGES, BenchConfig
from kaleido.bench.results import listing
from kaleido.errors import UserError


def test_stages_are_those_of_the_configuration():
    assert tuple(scaling.STAGES) == STAGES


def test_stages_are_measured_after_what_they_need(monkeypatch, capsys):
    ran = []

    def alone(stage, folder, rows):
        ran.append(stage)
        return scaling._measured(stage, folder, rows)

    monkeypatch.setattr(scaling, "_alone", alone)
    found = scaling.benchmark_scaling(40, ["open", "plan", "index", "batch", "rank"])
    assert ran == ["table", "import", "open", "plan", "records", "index", "batch", "rank"]
    assert not any(key.startswith(("table", "import", "records")) for key in found)
    assert found["open_elapsed_ms"] > 0 and found["rank_peak_resident_bytes"] > 1e7 and found["open_disk_bytes"] == 0
    assert "open_cpu_ms" in listing("scaling", {"settings": {}, "values": found})
    assert capsys.readouterr().out.splitlines()[0].startswith("  open: elapsed_ms ")


def test_wrong_stages_are_refused():
    with pytest.raises(UserError, match=r"stages of scaling are table, .* Received: imports"):
        BenchConfig(what=("scaling",), stages=("imports",))
    with pytest.raises(UserError, match="write `kaleido bench scaling`"):
        BenchConfig(what=("reading",), stages=("import",))
