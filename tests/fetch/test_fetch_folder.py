import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirror import Mirror, running

from kaleido.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def base(tmp_path):
    (tmp_path / "base/a").mkdir(parents=True)
    (tmp_path / "base/a/x").write_bytes(b"x" * 1000)
    (tmp_path / "base/y z#").write_bytes(b"y")
    return tmp_path / "base"


def test_names_come_from_arguments_and_lists(base, tmp_path, monkeypatch):
    listed = tmp_path / "list"
    listed.write_text("# nowhere\n\n  y z#\na/x\n")
    monkeypatch.setenv("KALEIDO_DATA_URL", f"file://{base}")
    out = tmp_path / "out"
    assert main(["fetch", "a/x", "--list", str(listed), "--out", str(out)]) == 0
    assert (out / "a/x").read_bytes() == b"x" * 1000 and (out / "y z#").read_bytes() == b"y"
    assert main(["fetch", "x", "--folder=a", "--base", str(base), "--out", str(out)]) == 0
    assert (out / "x").read_bytes() == b"x" * 1000


def test_a_list_of_which_every_line_is_left_out(base, tmp_path, capsys):
    (tmp_path / "list").write_text("#a\n # b\n")
    assert main(["fetch", "--list", str(tmp_path / "list")]) == 0
    assert "nothing to fetch" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "no file is named"),
        (["a"], "KALEIDO_DATA_URL"),
        (["a", "--base=ftp://me:secret@there/x?y"], "Received: ftp://there/x"),
        (["a", "--base=nowhere"], "nowhere: no such folder"),
        (["a", "--base=http://[1/"], "not an address"),
        (["../a", "--base=base"], "Received: '../a'"),
        (["b/../../a", "--base=base"], "Received: 'b/../../a'"),
        (["/etc/passwd", "--base=base"], "Received: '/etc/passwd'"),
        ([".", "--base=base"], "Received: '.'"),
        (["a", "--folder=..", "--base=base"], "Received: '../a'"),
        (["a", "--base=base", "--tries=0"], "tries must be at least 1. Received: 0"),
        (["a", "--base=base", "--timeout=nan"], "nan"),
        (["--list=nowhere", "--base=base"], "nowhere"),
        (["a", "--base=base"], "a: Is a directory"),
    ],
)
def test_mistakes_are_one_line(base, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KALEIDO_DATA_URL", raising=False)
    assert main(["fetch", *arguments, "--out=out"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error and error.startswith("kaleido fetch: ") and "secret" not in error
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]


def test_a_full_disk(base, tmp_path, capsys):
    (base / "a/x").write_bytes(b"x" * 600_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"
    command = ["fetch", "a/x", "y z#", "--base", str(base), "--out", str(out)]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        assert main(command) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    error = capsys.readouterr().err.splitlines()[-1]
    assert "1 of 2 files" in error and "cannot be written: File too large" in error
    assert (out / "a/.x.partial").stat().st_size == 300_000 and not (out / "a/x").exists()
    assert main(command) == 0
    assert (out / "a/x").read_bytes() == b"x" * 600_000


def test_two_processes_do_not_write_one_file(base, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    command = ["fetch", "y z#", "--base", str(base), "--out", str(out)]
    with open(out / ".y z#.lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(command) == 2
        assert "another process" in capsys.readouterr().err
    assert main(command) == 0


@pytest.mark.parametrize("number, code", [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_killed_in_the_middle_and_started_again(tmp_path, number, code):
    content = os.urandom(2_000_000)
    with running(Mirror({"x": content}, cut_after=1_000_000)) as mirror:
        # The connection stays open and silent after half of the file.
        mirror.answered = lambda path: time.sleep(30)
        command = [sys.executable, "-m", "kaleido", "fetch", "x", "--base", mirror.url, "--out", str(tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        partial = tmp_path / ".x.partial"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (partial.exists() and partial.stat().st_size > 500_000):
            time.sleep(0.01)
        process.send_signal(number)
        error = process.communicate(timeout=5)[1]
        assert process.returncode == code and "Traceback" not in error and "Fatal" not in error
        assert not (tmp_path / "x").exists()
        begun = partial.stat().st_size
        mirror.cut_after = None
        assert main(command[3:]) == 0
        assert mirror.requests[-1] == ("x", f"bytes={begun - 1}-")
    assert (tmp_path / "x").read_bytes() == content
