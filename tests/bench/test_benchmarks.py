"""Comparing saved measurements."""

import copy
import json

import pytest

from kaleido.bench.results import FORMAT, comparison, listing, load, save, worst_loss
from kaleido.errors import UserError

RESULT = {
    "format": FORMAT,
    "environment": {"cpu": "abacus", "cores": 2},
    "measurements": {
        "reading": {
            "settings": {"batch_size": 64},
            "values": {"examples_per_second": 4000.0, "share_of_floor": 0.25, "peak_resident_bytes": 2e8},
        },
        "training": {"settings": {"size": "tiny"}, "values": {"examples_per_second": 50.0, "bound_by": "matrix"}},
    },
}


@pytest.fixture
def after():
    return copy.deepcopy(RESULT)


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "deep" / "result.json"
    save(path, RESULT["environment"], RESULT["measurements"])
    assert load(path) == RESULT


def test_table(after):
    after["measurements"]["reading"]["values"] |= {"examples_per_second": 5000.0, "peak_resident_bytes": 1e8}
    assert comparison(RESULT, after).splitlines() == [
        "| | before | after | ratio |",
        "|---|---:|---:|---:|",
        "| reading: examples_per_second | 4,000 examples/s | 5,000 examples/s | 1.250 |",
        "| reading: share_of_floor | 25 % | 25 % | 1.000 |",
        "| reading: peak_resident_bytes | 200 MB | 100 MB | 0.500 |",
        "| training: examples_per_second | 50 examples/s | 50 examples/s | 1.000 |",
    ]


def test_what_differs_is_named_once_each(after):
    after["environment"]["cores"] = 4
    after["measurements"]["training"]["settings"]["jit_compile"] = True
    del after["measurements"]["reading"]
    assert [line for line in comparison(RESULT, after).splitlines() if not line.startswith("|")] == [
        "not comparable: environment differs in cores: 2 before, 4 after",
        "not comparable: reading was measured only before",
        "not comparable: training differs in jit_compile: none before, True after",
    ]


def test_worst_loss(after):
    assert worst_loss(RESULT, after) == 0
    after["measurements"]["reading"]["values"]["examples_per_second"] = 6000.0
    after["measurements"]["training"]["values"]["examples_per_second"] = 45.0
    assert worst_loss(RESULT, after) == pytest.approx(10)


def test_listing():
    assert listing("training", RESULT["measurements"]["training"]).splitlines() == [
        "training (size tiny)",
        "  examples_per_second      50 examples/s",
        "  bound_by                 matrix",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '"text"',
        "[" * 100_000,
        json.dumps({**RESULT, "format": "kaleido benchmark 0"}),
        json.dumps({**RESULT, "measurements": {"reading": 3}}),
        json.dumps({**RESULT, "measurements": {"reading": {"settings": {}, "values": {}}}}),
        json.dumps({**RESULT, "measurements": {"reading": {"settings": {}, "values": {"examples_per_second": "x"}}}}),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"result\.json: not a result"):
        load(path)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"absent\.json: cannot be read \(No such file"):
        load(tmp_path / "absent.json")
