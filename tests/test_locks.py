import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kaleido import atomic
from kaleido.atomic import folder_written_atomically, remove_leftovers, temporary_name, write_atomically, write_together
from kaleido.errors import UserError
from kaleido.locks import LOCK_FILE, Locked, folder_locked, locked

HOLD = """
import sys, time
from pathlib import Path
from kaleido.locks import folder_locked
with folder_locked(Path(sys.argv[1]), shared=sys.argv[2:] == ["shared"]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold():
    """`hold(folder)`: a process that holds the lock of a folder until its input ends."""
    running = []

    def start(folder: Path, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(folder), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_the_second_process_is_told_who_holds_the_lock(hold, tmp_path):
    holder = hold(tmp_path / "run")
    with pytest.raises(
        Locked, match=rf"run: another process is writing it: process {holder.pid} on \S+ \(python, since"
    ):
        folder_locked(tmp_path / "run").__enter__()
    holder.communicate()
    with folder_locked(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []  # neither the lock nor the folder that was made for it


def test_the_lock_of_a_killed_process_is_free(hold, tmp_path):
    holder = hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK_FILE).exists()
    with folder_locked(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["process"] == os.getpid()
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_thread_may_ask_again_and_another_may_not(tmp_path):
    with folder_locked(tmp_path), ThreadPoolExecutor(1) as other:
        with folder_locked(tmp_path):
            pass
        assert (tmp_path / LOCK_FILE).exists()
        with pytest.raises(Locked, match=f"process {os.getpid()} "):
            other.submit(folder_locked(tmp_path).__enter__).result()


def test_a_shared_lock_keeps_out_those_who_want_it_alone(hold, tmp_path):
    hold(tmp_path, "shared")
    with folder_locked(tmp_path, shared=True):
        pass
    with pytest.raises(Locked):
        folder_locked(tmp_path).__enter__()


def test_threads_share_a_shared_lock(tmp_path):
    def work(_):
        with folder_locked(tmp_path, shared=True), folder_locked(tmp_path, shared=True):
            time.sleep(0.01)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(64)))
    assert not list(tmp_path.iterdir())


def test_many_processes_never_write_at_once(tmp_path):
    """Each adds 1 to a number without care; with a lock that two could hold, sums would be lost."""
    script = """
import sys
from pathlib import Path
from kaleido.locks import locked
number = Path(sys.argv[1])
for _ in range(40):
    with locked(number.with_name(".lock"), number, patience=60):
        number.write_text(str(int(number.read_text()) + 1))
"""
    (tmp_path / "number").write_text("0")
    command = [sys.executable, "-c", script, str(tmp_path / "number")]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert (tmp_path / "number").read_text() == "160"


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with folder_locked(tmp_path):
        pass
    assert "this file system has no locks (No locks available)" in capsys.readouterr().err


def test_a_holder_on_another_host_that_has_not_ended_properly_is_told(tmp_path, capsys):
    note = {"process": 7, "host": "elsewhere", "command": "kaleido pretrain", "since": "2026-01-01 00:00:00"}
    (tmp_path / LOCK_FILE).write_text(json.dumps(note))
    with folder_locked(tmp_path):
        pass
    said = capsys.readouterr().err
    assert "process 7 on elsewhere (kaleido pretrain, since 2026-01-01 00:00:00) has not ended properly" in said


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/folder cannot be written: Not a directory"):
        folder_locked(tmp_path / "file" / "folder").__enter__()


def test_leftovers_of_ended_processes_alone_are_removed(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    ours = temporary_name(tmp_path / "a")
    gone = ours.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    running = ours.name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    former = re.sub(r"-[0-9a-f]{8}-", "-00000000-", ours.name)  # of a process that had our number
    elsewhere = re.sub(r"\.[0-9a-f]{8}-", ".00000000-", ours.name)
    old = elsewhere.replace(".a.", ".b.")
    for name in (ours.name, gone, running, former, elsewhere, old, ".notes.tmp"):
        (tmp_path / name).touch()
    os.utime(tmp_path / old, (0, 0))
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {ours.name, running, elsewhere, ".notes.tmp"}


def test_locks_of_killed_processes_alone_are_removed(tmp_path, hold):
    note = json.dumps({"process": 7, "host": "here", "command": "kaleido", "since": "today"})
    (tmp_path / ".model.lock").write_text(note)
    (tmp_path / ".other.lock").touch()  # of another program
    with locked(tmp_path / ".held.lock", "held"):
        remove_leftovers(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {".held.lock", ".other.lock"}


def test_a_first_write_removes_what_killed_processes_left(tmp_path):
    atomic._clean_once.cache_clear()
    (tmp_path / re.sub(r"-[0-9a-f]{8}-", "-00000000-", temporary_name(Path("a")).name)).touch()
    write_atomically(tmp_path / "b", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_two_threads_that_write_one_file_leave_one_of_the_two(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: write_atomically(tmp_path / "a", bytes([n]) * 10_000), range(64)))
    assert len(set((tmp_path / "a").read_bytes())) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_another_process_is_writing_is_told(tmp_path):
    model = tmp_path / "model"
    told = pytest.raises(Locked, match="model: another process is writing it")
    with folder_written_atomically(model), ThreadPoolExecutor(1) as other, told:
        other.submit(folder_written_atomically(model).__enter__).result()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_files_that_belong_together_are_of_one_process(tmp_path):
    files = [{name: bytes([n]) for name in "abcdefgh"} for n in range(16)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda one: write_together(tmp_path, one), files))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1 and len(list(tmp_path.iterdir())) == 8
