"""A process always ends: by SIGTERM, for lack of memory, and where its interpreter or its threads are stuck."""

import os
import signal
import subprocess
import sys
import time

import pytest

from kaleido.__main__ import main
from kaleido.shortage import shortage

START = """
import atexit, signal, sys, threading, time
from kaleido import interruption
interruption.obey_termination()
"""


def run(code: str, timeout: float = 20.0) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=timeout)


def test_sigterm_ends_a_process_whose_main_thread_never_notices_it():
    # It waits within C for a lock that is never given back, as a framework may: no handler in Python runs.
    done = run("""
import ctypes, os
interruption.GRACE = 1.0
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_lock(mutex)
""")
    assert (done.returncode, done.stderr) == (143, "kaleido: was stuck when it was to stop\n")


def test_a_signal_that_was_noticed_may_take_its_time():
    done = run("""
import os
interruption.GRACE = 0.2
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(1.5)  # to save
    print("saved")
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "saved\n", "")


def test_an_interruption_that_a_library_raises_anew_is_of_the_signal_that_arrived():
    done = run("""
import os
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(30)
except KeyboardInterrupt:
    print(interruption.signal_of(KeyboardInterrupt()))
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "15\n", "")


@pytest.mark.parametrize("ending", ["signal", "time"])
def test_threads_that_are_stuck_do_not_keep_a_failed_process(ending):
    code = f"""
interruption._SHUTDOWN = 1 if {ending!r} == "time" else 600
threading.Thread(target=threading.Event().wait).start()
print("leaving", flush=True)
interruption.leave(2)
"""
    process = subprocess.Popen([sys.executable, "-c", START + code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"leaving\n"
    if ending == "signal":
        time.sleep(0.5)
        process.terminate()
    assert process.wait(20) == (-signal.SIGTERM if ending == "signal" else 2)
    process.stdout.close()


def test_a_failed_process_does_not_wait_for_its_libraries_to_end():
    done = run("""
class Library:
    def __del__(self):
        time.sleep(60)
library = Library()
atexit.register(print, "cleaned up")
interruption.leave(2)
""")
    assert (done.returncode, done.stdout, done.stderr) == (2, "cleaned up\n", "")


def test_a_thread_that_lacks_memory_ends_the_process_that_may_wait_for_it():
    done = run("""
def work():
    raise MemoryError
threading.Thread(target=work).start()
threading.Event().wait(30)
""")
    assert (
        done.returncode == 2 and done.stderr.startswith("kaleido: too little memory") and done.stderr.count("\n") == 1
    )


def test_a_thread_that_could_not_start_for_lack_of_memory_ends_the_process():
    # As Python's own start of a thread fails where memory lacks for its first call.
    done = run("""
def fail(self):
    raise MemoryError
threading.Thread._bootstrap = fail
threading.Thread(target=print).start()
""")
    assert (
        done.returncode == 2 and done.stderr.startswith("kaleido: too little memory") and done.stderr.count("\n") == 1
    )


@pytest.mark.parametrize(
    "error, told",
    [
        (MemoryError(), "too little memory"),
        (RuntimeError("can't start new thread"), "no further thread"),
        (OSError(12, "Cannot allocate memory"), "too little memory"),
        (OSError(24, "Too many open files", "a.jpg"), "too many open files"),
        (ImportError("libx.so: failed to map segment from shared object"), "too little memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"), "too little memory on the device"),
        (KeyError("x"), None),
        (OSError(2, "No such file or directory"), None),
        (ValueError("resource exhausted"), None),
    ],
)
def test_what_the_machine_lacks_is_one_line_and_bugs_are_not(monkeypatch, capsys, error, told):
    def fail(argv):
        raise error

    monkeypatch.setattr("kaleido.__main__.run", fail)
    if told is None:
        assert shortage(error) is None
        with pytest.raises(type(error)):
            main(["prepare"])
    else:
        assert main(["prepare"]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"kaleido prepare: {told}") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("limit", "command"),
    [
        ("ulimit -v 2500000", "pretrain --records x --out x"),
        ("ulimit -v 1500000", "pretrain --records x --out x"),
        ("ulimit -v 250000", "catalog show x"),
        ("ulimit -v 150000", "catalog show x"),
    ],
)
def test_too_few_addresses_are_told_at_once(limit, command):
    command = f"{limit}; exec {sys.executable} -m kaleido {command}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "GB of addresses" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "redirection, code",
    [
        (">/dev/full", 2),
        (">&-", 0),
        ("2>/dev/full", 0),
        (">&- 2>&- <&-", 0),
        ("| true", 0),
        ("--no-such-option 2>/dev/full", 2),
        ("--no-such-option >&- 2>&-", 2),
    ],
)
def test_an_output_that_cannot_be_written(redirection, code):
    command = f"{sys.executable} -m kaleido --help {redirection}"
    if "no-such" in redirection:
        command = f"{sys.executable} -m kaleido pretrain {redirection}"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == code and done.stderr.count("\n") == (redirection == ">/dev/full"), done.stderr


def test_a_broken_connection_elsewhere_is_no_success(monkeypatch):
    def fail(argv):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("kaleido.__main__.run", fail)
    with pytest.raises(BrokenPipeError):
        main(["prepare"])


def test_ctrl_c_during_the_imports_leaves_no_traceback():
    for delay in (0.0, 0.02, 0.05, 0.1):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "kaleido", "--help"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            text=True,
        )
        # From the first import of the command line's own on.
        said = ""
        while "difflib" not in said and (line := process.stderr.readline()):
            said = line
        time.sleep(delay)
        os.kill(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(20) in (0, 130) and "Traceback" not in rest
        process.stderr.close()
