import errno
import io
import sys

import pytest

from kaleido import progress
from kaleido.progress import tqdm


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand: `clock[0] += seconds`."""
    now = [1000.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def test_a_line_every_30_seconds_where_stderr_is_no_terminal(clock, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    bar = tqdm(total=200, desc="pre-train", unit="step")
    for _ in range(100):
        clock[0] += 1
        bar.update()
        bar.set_postfix_str("loss 1.0")
    with tqdm(total=3, desc="evaluate", leave=False) as inner:
        tqdm.write("warning: a line between", file=log)
        inner.update(3)
    bar.close()
    lines = log.getvalue().split("\n")
    assert "\r" not in log.getvalue() and "\x1b" not in log.getvalue() and lines.pop() == ""
    shown = [line.split("|")[2].split()[0] for line in lines if line.startswith("pre-train")]
    assert shown == ["30/200", "60/200", "90/200", "100/200"] and len(lines) == 5


def test_what_takes_less_is_quiet(clock, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    for _ in tqdm(range(10)):
        clock[0] += 2
    assert log.getvalue() == ""


def test_a_terminal_has_bars(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for _ in tqdm(range(3), desc="three"):
        pass
    assert "\rthree: 100%" in terminal.getvalue()


def test_a_log_on_a_full_disk_does_not_end_the_work(clock, monkeypatch):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    for _ in tqdm(range(3)):
        clock[0] += progress.EVERY
    assert "3/3" in sys.stderr.getvalue()
