import subprocess
import sys

import pytest

from kaleido.__main__ import VERBS, main


def test_help_answers_at_once_and_without_deep_learning():
    code = "import sys; from kaleido.__main__ import main; main(['--help']); print('keras' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(verb in output for verb in VERBS) and output.strip().endswith("False")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert f"python -m kaleido {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["fly"], "no such verb"),
        (["pretrain"], "records"),
        (["pretrain", "--records", "nowhere", "--output", "x"], "nowhere"),
        (["pretrain", "--records=a", "--output=b", "--train_config.batch_sise=3"], "train_config.batch_size"),
        (["evaluate", "--run", "nowhere"], "nowhere/config.yaml"),
        (["prepare", "--catalog", "nowhere", "--records", "x"], "nowhere"),
        (["prepare", "--catalog", "a", "--records", "x", "--prepare_config.backbon", "b"], "prepare_config.backbone"),
        (["catalog", "show", "nowhere"], "nowhere"),
        (["catalog", "dance"], "dance"),
        (["bench", "flying"], "flying"),
    ],
)
def test_user_errors_are_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    errors = capsys.readouterr().err.strip()
    assert message in errors and "\n" not in errors and "Traceback" not in errors
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["finaliser", "callback", "code"])
def test_sigterm_is_obeyed_wherever_it_arrives(place):
    code = """
import os, signal, sys, time, weakref
from kaleido.interruption import obey_termination
obey_termination()
send = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
class Thing:
    def __del__(self):
        if sys.argv[1] == "finaliser":
            send()
            [None for _ in range(10)]
try:
    thing = Thing()
    reference = weakref.ref(thing, send if sys.argv[1] == "callback" else None)
    del thing
    if sys.argv[1] == "code":
        send()
    time.sleep(30)
except KeyboardInterrupt as interruption:
    print("interrupted by", interruption.args[0])
"""
    done = subprocess.run([sys.executable, "-c", code, place], capture_output=True, text=True, timeout=25)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted by 15\n", "")
