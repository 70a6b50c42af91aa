"""Copies of the checkout whose scripts are run, and whose commands the tests run in their own process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = f"""#!/bin/sh
if [ -n "$NOTED" ]; then printf '%s\\n' "$@" "" >> "$NOTED"; else exec "{sys.executable}" "$@"; fi
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what the scripts need, with this interpreter as its environment."""
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "kaleido").symlink_to(ROOT / "kaleido")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    (tmp_path / ".venv" / "installed").touch()
    return tmp_path


def commands_of(checkout: Path, script: str, *arguments: str, **environment: str) -> list[list[str]]:
    """Runs a script, from its own folder, and lists the arguments of each `python -m kaleido` without running it."""
    noted = checkout / "noted"
    noted.write_text("")
    done = run_script(checkout, script, *arguments, NOTED=str(noted), **environment)
    assert done.returncode == 0, done.stderr
    commands = [command.split("\n") for command in noted.read_text().split("\n\n") if command]
    assert all(command[:2] == ["-m", "kaleido"] for command in commands)
    return [command[2:] for command in commands]


def run_script(checkout: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script, from its own folder."""
    folder = checkout / "scripts"
    environment = {**os.environ, **environment}
    return subprocess.run(["sh", script, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
