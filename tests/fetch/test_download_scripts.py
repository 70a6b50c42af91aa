"""Download scripts, run by `sh` in a copy of the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path for path in ROOT.glob("scripts/*/get_*.sh") if "kaleido fetch" in path.read_text(encoding="utf-8")
)


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "kaleido").symlink_to(ROOT / "kaleido")
    return tmp_path


def run(script, **environment):
    known = {name: value for name, value in os.environ.items() if name != "KALEIDO_DATA_URL"}
    return subprocess.run(
        ["sh", script.name],
        cwd=script.parent,
        env={**known, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def listed(script):
    lines = script.read_text(encoding="utf-8").partition("<<'FILES'\n")[2].splitlines()[:-1]
    return [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("original", SCRIPTS, ids=lambda path: path.name)
def test_a_script_fetches_what_is_not_commented_out(checkout, original):
    script = checkout / original.relative_to(ROOT)
    names = listed(script)
    text = script.read_text(encoding="utf-8")
    folder, out = text.partition("--folder ")[2].split()[0], text.partition("--out ")[2].split()[0]
    mirror = checkout / "mirror" / folder
    mirror.mkdir(parents=True)
    for name in names:
        (mirror / name).write_text(name)
    script.write_text(text.replace(f"\n{names[0]}\n", f"\n#{names[0]}\n"))
    result = run(script, KALEIDO_DATA_URL=str(checkout / "mirror"))
    assert result.returncode == 0, result.stderr
    assert {path.name: path.read_text() for path in (checkout / out).iterdir()} == {name: name for name in names[1:]}


def test_there_are_five():
    assert [path.name for path in SCRIPTS] == [
        "get_checkpoint.sh",
        "get_finetune_data.sh",
        "get_pretrain_data.sh",
        "get_raw_dataset.sh",
        "get_retrieve_data.sh",
    ]


def test_without_an_address_one_line_says_how_to_name_one(checkout):
    result = run(checkout / "scripts/checkpoint/get_checkpoint.sh")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "KALEIDO_DATA_URL" in result.stderr and "s3://bucket/prefix" in result.stderr
