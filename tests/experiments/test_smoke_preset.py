"""The script from scratch to the report, every cell filled; minutes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kaleido.experiments.report.paper import SUMS, paper

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the script needs, with this interpreter as its environment."""
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "kaleido").symlink_to(ROOT / "kaleido")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "installed").touch()
    return tmp_path


def script(checkout, *arguments):
    return ["sh", str(checkout / "scripts" / "reproduce_tables.sh"), *arguments]


def test_the_script_passes_on_what_it_is_told(checkout, tmp_path):
    done = subprocess.run(script(checkout, "smoke", "--dry-run"), cwd="/", capture_output=True, text=True)
    assert done.returncode == 0 and "13 of them different" in done.stdout, done.stderr
    assert not (checkout / "runs").exists()
    done = subprocess.run(script(checkout, "--dry-run", "--only", "akpm_b"), cwd="/", capture_output=True, text=True)
    assert done.returncode == 0 and "1 runs, 1 of them different" in done.stdout
    done = subprocess.run(script(checkout, "nothing"), cwd="/", capture_output=True, text=True)
    assert done.returncode == 2 and "no such preset" in done.stderr and not (checkout / "runs").exists()


@pytest.mark.tables
@pytest.mark.timeout(2400)
def test_every_cell_is_filled_although_the_script_is_killed_in_the_middle(checkout):
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
