import csv
import json
import re

import pytest
from fake_runs import retrieval_values, write_runs
from scipy import stats

from kaleido.__main__ import main
from kaleido.experiments.ledger import read_ledger
from kaleido.experiments.report.cells import fill
from kaleido.experiments.report.findings import DOES_NOT, HOLDS, UNKNOWN, findings
from kaleido.experiments.report.paper import SUMS

RECOGNITION = {"CR ACC": 90.0, "CR macro-F": 0.7, "SUB ACC": 80.0, "SUB macro-F": 0.5}
CAPTIONS = {"Bleu-4": 5.0, "METEOR": 10.0, "ROUGE-L": 30.0, "CIDEr": 30.0}


def run(experiment, column, seed, **values):
    return {"experiment": experiment, "cells": {"table4": column}, "seed": seed, "values": values}


@pytest.fixture
def runs(tmp_path):
    """Three seeds of two models, one seed of another, and one that was only planned."""
    planned = [run("random", "Random", seed, **retrieval_values(200 + seed)) for seed in (0, 1, 2)]
    planned += [run("guided", "AGM", seed, **retrieval_values(212 + seed + seed % 2)) for seed in (0, 1, 2)]
    planned += [run("b", "B", 0, **retrieval_values(100), **RECOGNITION, **CAPTIONS), run("b_v", "B+V", 0)]
    planned[0]["cells"]["figure7"] = "all"
    return write_runs(tmp_path / "runs", planned)


@pytest.fixture
def undrawn(monkeypatch):
    """Spares the seconds that drawing the figures takes."""
    monkeypatch.setattr("kaleido.experiments.report.plots._png", lambda figure: b"")


def test_cells_are_means_of_seeds(runs):
    cells = fill(read_ledger(runs)).cells["table4"]
    cell = cells["SumR"]["AGM"]
    assert cell.mean == pytest.approx((212 + 214 + 214) / 3) and cell.deviation == pytest.approx(2 / 3**0.5)
    assert cell.relative == pytest.approx(cell.mean / 201 - 1) and cell.paper_relative == pytest.approx(
        319.52 / 299.5 - 1
    )
    half = stats.t.ppf(0.975, 2) * cell.deviation / 3**0.5
    assert cell.interval == pytest.approx((cell.mean - half, cell.mean + half))
    assert cell.sources[1] == (
        "stages/retrieve-guided-1/run/retrieval-random100-test.json",
        "stages/retrieve-guided-1/run/retrieval-random100-test-scores.npz",
    )
    assert cells["ITR R@5"]["AGM"].values[0] == pytest.approx(212 / 6)
    one = cells["SumCLS"]["B"]
    assert one.values == {0: pytest.approx(90 + 70 + 80 + 50)} and one.deviation is None and one.interval is None
    assert cells["SumCAP"]["B"].mean == pytest.approx(75)
    for column in ("B+V", "Fixed", "B+I"):
        assert cells["SumR"][column].missing == "no run" and cells["SumR"][column].mean is None


def test_findings_are_paired_by_seed(runs):
    by_name = {(f.claim.better, f.measure): f for f in findings(fill(read_ledger(runs)))}
    assert len(by_name) == 5 * len(SUMS)
    guided = by_name["AGM", "SumR"]
    assert guided.differences == {seed: pytest.approx(12 + seed % 2) for seed in (0, 1, 2)}
    assert guided.verdict == HOLDS and guided.interval[0] > 0 and guided.paper == pytest.approx(20.02)
    assert by_name["AGM", "SumCLS"].verdict == UNKNOWN and by_name["AGM", "SumCLS"].reason == "no run"


@pytest.mark.parametrize(
    ("differences", "verdict", "no_better"),
    [
        ((3, 4, 5), HOLDS, DOES_NOT),
        ((-3, -4, -5), DOES_NOT, HOLDS),
        ((-3, 4, 5), UNKNOWN, UNKNOWN),
        ((0, 0, 0), UNKNOWN, HOLDS),
        ((3,), UNKNOWN, UNKNOWN),
    ],
)
def test_verdicts(tmp_path, differences, verdict, no_better):
    planned = []
    for seed, difference in enumerate(differences):
        for column, value in (("Fixed", 100), ("Kaleido", 100 + difference), ("B", 100), ("B+V", 100 + difference)):
            planned.append(run(f"of {column}", column, seed, **retrieval_values(value)))
    found = {
        f.claim.better: f
        for f in findings(fill(read_ledger(write_runs(tmp_path / "runs", planned))))
        if f.measure == "SumR"
    }
    assert (found["Kaleido"].verdict, found["B+V"].verdict) == (verdict, no_better)
    if len(differences) == 1:
        assert found["Kaleido"].reason == "one seed: no interval"


def test_the_report(runs, tmp_path, capsys):
    out = tmp_path / "report"
    assert main(["report", str(runs), "--out", str(out)]) == 0
    assert "cells of ours are filled" in capsys.readouterr().out
    text, html = (out / "report.md").read_text(), (out / "report.html").read_text()
    for said in (
        "no reproduction",
        "no run",
        "213.33 ± 1.15 (+6.1 %)",
        "319.52 (+6.7 %)",
        "**holds**",
    ):
        assert said in text, said
        assert re.sub(r"\*\*(.*)\*\*", r"<strong>\1</strong>", said) in html, said
    # One page by itself: its pictures are within, and nothing is fetched.
    assert html.count("data:image/png;base64,") == 3
    assert not re.search(r"(?:src|href)=\"(?!data:)|<script|<link|url\(", html)
    for name in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (out / name).read_bytes().startswith(b"\x89PNG")

    data = json.loads((out / "report.json").read_text())
    with open(out / "table4.csv", newline="") as file:
        lines = {(line["row"], line["column"]): line for line in csv.DictReader(file)}
    for row, columns in data["tables"]["table4"].items():
        for column, cell in columns.items():
            line = lines[row, column]
            assert float(line["paper"]) == cell["paper"] and int(line["seeds"]) == len(cell["values"])
            assert (line["ours"] == "") == (cell["mean"] is None) == bool(line["missing"])
            if cell["mean"] is not None:
                assert float(line["ours"]) == pytest.approx(cell["mean"], rel=1e-5)
            for sources in cell["sources"].values():
                assert sources and all((runs / source).is_file() for source in sources)
    assert data["curves"]["random, seed 0"] == "stages/pretrain-random-0/run/metrics.jsonl"


@pytest.mark.usefixtures("undrawn")
def test_latex_is_balanced(runs, tmp_path):
    assert main(["report", str(runs), "--out", str(tmp_path)]) == 0
    for name, columns in (("table2", 10), ("table3", 4), ("table4", 12)):
        text = (tmp_path / f"{name}.tex").read_text()
        assert text.count("{") == text.count("}") and text.count(r"\begin{") == text.count(r"\end{")
        body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
        assert not re.search(r"(?<!\\)[%#_]", body)
        rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert rows and all(len(re.findall(r"(?<!\\)&", row)) == columns + 1 for row in rows)


def test_without_meteor_its_cells_say_why(tmp_path):
    runs = write_runs(tmp_path / "runs", [run("b", "B", 0, **{**CAPTIONS, "METEOR": None})])
    cells = fill(read_ledger(runs)).cells["table4"]
    assert cells["METEOR"]["B"].missing == cells["SumCAP"]["B"].missing == "no Java runtime"
    assert cells["CIDEr"]["B"].mean == pytest.approx(30)


def test_failed_and_unfinished_stages_are_told_apart(tmp_path):
    runs = write_runs(tmp_path / "runs", [run("b", "B", 0)])
    for kind, file in (("retrieve", "failed.json"), ("category", "stage.json")):
        folder = runs / "stages" / f"{kind}-b-0"
        folder.mkdir(parents=True)
        (folder / "stage.json").write_text("{}")
        (folder / file).write_text("{}")
    cells = fill(read_ledger(runs)).cells["table4"]
    assert cells["SumR"]["B"].missing == "failed"
    assert cells["CR ACC"]["B"].missing == "not finished"
    assert cells["Bleu-4"]["B"].missing == "no run"


@pytest.mark.usefixtures("undrawn")
def test_tasks_that_the_paper_does_not_have_are_listed(runs, tmp_path):
    plan = json.loads((runs / "experiments.json").read_text())
    for run, error in zip(plan["runs"][:2], (2.0, 4.0)):
        run["stages"]["price"] = f"stages/price-{run['seed']}"
        folder = runs / run["stages"]["price"]
        (folder / "run").mkdir(parents=True)
        metrics = {"error": error, "currency": "euro"}
        (folder / "run" / "price-test.json").write_text(json.dumps({"metrics": metrics}))
        results = ["run/predictions-test.csv", "run/price-test.json"]
        (folder / "done.json").write_text(json.dumps({"kind": "price", "seconds": 1.0, "results": results}))
    (runs / "experiments.json").write_text(json.dumps(plan))
    assert main(["report", str(runs), "--out", str(tmp_path)]) == 0
    others = json.loads((tmp_path / "report.json").read_text())["others"]
    assert others == [{"experiment": "random", "task": "price", "metric": "error", "ours": "3 ± 1.414"}]
    assert "| random | price | error | 3 ± 1.414 |" in (tmp_path / "report.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_nothing_has_been_run(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [run("b", "B", 0)])
    assert main(["report", str(runs), "--out", str(tmp_path / "out")]) == 0
    assert "0 of 17 cells" in capsys.readouterr().out
    assert "Nothing has been run yet" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda runs: (runs / "experiments.json").unlink(), "kaleido experiments"),
        (lambda runs: (runs / "experiments.json").write_text("[]"), "damaged"),
        (
            lambda runs: (runs / "stages/retrieve-b-0/run/retrieval-random100-test.json").write_text("{"),
            "cannot be read",
        ),
        (lambda runs: (runs / "stages/retrieve-b-0/run/retrieval-random100-test.json").write_text("{}"), "damaged"),
        (
            lambda runs: (runs / "stages/category-b-0/run/recognition-test.json").unlink(),
            "recognition-test.json: cannot be read",
        ),
        (lambda runs: (runs / "stages/caption-b-0/done.json").write_text("1"), "damaged"),
    ],
)
def test_damaged_runs(runs, tmp_path, capsys, damage, words):
    damage(runs)
    assert main(["report", str(runs), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_column_that_the_paper_does_not_have(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [run("b", "B+VI", 0)])
    assert main(["report", str(runs), "--out", str(tmp_path / "out")]) == 2
    assert "table4 has no column B+VI" in capsys.readouterr().err
