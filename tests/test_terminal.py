"""What commands print of a stranger's names."""

import json
import sys

import pytest

from kaleido import progress
from kaleido.__main__ import main
from kaleido.progress import tqdm
from kaleido.terminal import control_characters_escaped, drawing, escaped

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\x9b31m\r\ud800"


def test_control_characters_are_escaped_and_json_reads_them_as_they_were():
    text = escaped(HOSTILE)
    assert text.isprintable() and json.loads(f'"{text}"') == HOSTILE
    assert escaped("Été 👩‍👩‍👧, naïve\tred\n日本") == "Été 👩‍👩‍👧, naïve\tred\n日本"


def test_errors_and_output_of_a_command(capsys):
    assert main(["catalog", "show", "\x1b[2Jx\u202e"]) == 2
    line = capsys.readouterr().err
    assert line.endswith("\n") and line.rstrip("\n").isprintable() and "\\u001b[2J" in line


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_streams_are_escaped_inside_and_as_before_outside(name, capsys):
    with control_characters_escaped():
        print(HOSTILE, file=getattr(sys, name))
        assert not getattr(sys, name).isatty()
    print("\x1b", file=getattr(sys, name))
    assert getattr(capsys.readouterr(), name[3:]) == f"{escaped(HOSTILE)}\n\x1b\n"


def test_bars_still_move_the_cursor_and_what_they_name_is_escaped(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_is_watched", lambda: True)
    with control_characters_escaped():
        with tqdm(total=2, mininterval=0) as bar:
            bar.set_postfix_str("\x1b[2Jx")
            tqdm.write("a line \x1b[2J")
        assert drawing(sys.stderr) is not sys.stderr
    found = capsys.readouterr()
    assert "\r" in found.err and "\x1b[2J" not in found.err + found.out
    assert "\\u001b[2Jx" in found.err and "a line \\u001b[2J\n" in found.out
