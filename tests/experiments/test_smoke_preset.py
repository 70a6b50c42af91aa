"""The script from scratch to the report, every cell filled; minutes."""

import json
import os
import signal
import subprocess
import time

import pytest
from checkouts import checkout, commands_of, run_script  # noqa: F401

from kaleido.experiments.report.paper import SUMS, paper


def script(checkout, *arguments):  # noqa: F811
    return ["sh", str(checkout / "scripts" / "reproduce_tables.sh"), *arguments]


def test_the_script_passes_on_what_it_is_told(checkout):  # noqa: F811
    name, runs = "reproduce_tables.sh", "runs/tables_smoke"
    done = run_script(checkout, name, "smoke", "--dry-run", "--only", "akpm_b")
    assert done.returncode == 0 and "1 runs, 1 of them different" in done.stdout, done.stderr
    assert not (checkout / "runs").exists()
    done = subprocess.run(script(checkout, "nothing"), cwd="/", capture_output=True, text=True)
    assert done.returncode == 2 and "no such preset" in done.stderr and not (checkout / "runs").exists()
    dry = ["experiments", "smoke", "--out", runs, "--dry-run", "--only", "akpm_b"]
    assert commands_of(checkout, name, "--dry-run", "--only", "akpm_b") == [dry]
    report = ["report", runs, "--out", f"{runs}/report"]
    assert commands_of(checkout, name) == [["experiments", "smoke", "--out", runs], report]
    assert commands_of(checkout, name, "small", "--shard", "1/2", RUNS="a", OUT="b") == [
        ["experiments", "small", "--out", "a", "--shard", "1/2"],
        ["report", "a", "--out", "b"],
    ]


@pytest.mark.tables
@pytest.mark.timeout(2400)
def test_every_cell_is_filled_although_the_script_is_killed_in_the_middle(checkout):  # noqa: F811
    environment = {**os.environ, "RUNS": str(checkout / "runs")}
    running = subprocess.Popen(script(checkout, "smoke"), cwd="/", env=environment, stdout=subprocess.DEVNULL)
    stages = checkout / "runs" / "stages"
    while not list(stages.glob("pretrain-*/run")):
        assert running.poll() is None
        time.sleep(0.5)
    running.send_signal(signal.SIGTERM)
    assert running.wait(120) == 143
    made = {path for path in stages.glob("*/done.json")}
    assert made
    stamps = {path: path.stat().st_mtime_ns for path in made}
    done = subprocess.run(script(checkout, "smoke"), cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in made} == stamps
    data = json.loads((checkout / "runs" / "report" / "report.json").read_text())
    java = data["tables"]["table3"]["METEOR"]["Kaleido-BERT"]["mean"] is not None
    for name, table in paper().tables.items():
        columns = table.columns if table.groups else ("Kaleido-BERT",)
        for row in table.rows:
            for column in columns:
                cell = data["tables"][name][row][column]
                if java or row not in ("METEOR", "SumCAP"):
                    assert cell["mean"] is not None, (name, row, column)
                    assert all((checkout / "runs" / source).is_file() for source in cell["sources"]["0"])
    assert len(data["curves"]) == 16 and len(data["findings"]) == 5 * len(SUMS)
    assert {finding["reason"] for finding in data["findings"]} <= {"one seed: no interval", "no run"}
