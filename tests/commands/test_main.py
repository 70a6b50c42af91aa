"""The command line as a whole: errors, extras that are missing, modules of one's own, signals."""

import subprocess
import sys

import pytest

from kaleido import plugins
from kaleido.__main__ import main
from kaleido.errors import UserError
from kaleido.extras import missing_extras_named
from kaleido.interruption import Interrupted


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["fly"], "no such subcommand; there are catalog, prepare"),
        (["pretrian"], "no such subcommand; did you mean pretrain?"),
        (["caption", "model", "photos"], "`kaleido predict --model MODEL PHOTOS --out DIR` writes captions"),
        (["pretrain"], "records is missing"),
        (["pretrain", "--records", "nowhere", "--out", "x"], "nowhere"),
        (["pretrain", "--records=a", "--out=b", "--train_config.batch_sise=3"], "train_config.batch_size"),
        (["pretrain", "--records=a", "--output=b"], "unknown option --output; it is now called --out"),
        (["pretrain", "--records=a", "--out=b", "--batch-sise=3"], "did you mean --batch-size?"),
        (
            ["pretrain", "--records=a", "--out=b", "--steps=0"],
            "steps must be an int or null; write null for none. Received: 0",
        ),
        (["finetune", "--task=category", "--records=a", "--out=b", "--model="], "write null for none"),
        (["finetune", "--task=flying", "--records=a", "--out=b"], "task must be among"),
        (["finetune", "--import=no_such_module"], "no such module to import"),
        (["evaluate", "--run", "nowhere"], "unknown option --run; it is now called --model"),
        (["evaluate", "--model", "nowhere", "--records", "x"], "nowhere: no such model"),
        (["export", "nowhere", "--out", "x"], "did you mean --model nowhere?"),
        (["retrieve", "--model=a", "--records=b", "--max_text_length=3"], "the model stores its text length"),
        (["prepare", "--from-original", "x"], "`kaleido prepare-original FILES"),
        (["prepare", "--catalog", "nowhere", "--out", "x"], "nowhere"),
        (["prepare", "--catalog", "a", "--out", "x", "--prepare_config.backbon", "b"], "prepare_config.backbone"),
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


def test_the_whole_configuration_is_printed(capsys):
    with pytest.raises(SystemExit) as left:
        main(["pretrain", "--config=pretrain_tiny", "--records=here", "--steps=7", "--print-config"])
    assert left.value.code == 0
    printed = capsys.readouterr().out
    assert "records: here\n" in printed and "  steps: 7\n" in printed and "    mlm: 4.0\n" in printed


def test_a_module_of_ones_own_is_imported_first(tmp_path, monkeypatch, capsys):
    for number, name in enumerate(("one_module.py", "two_module.py", "three_package/__init__.py")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"print('imported', {number})\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(plugins, "imported", [])
    monkeypatch.setenv("KALEIDO_IMPORT", str(tmp_path / "one_module.py"))
    own = ["--import", str(tmp_path / "two_module.py"), f"--import={tmp_path / 'three_package'}"]
    assert main([*own, "catalog", "show", str(tmp_path)]) == 2
    assert capsys.readouterr().out == "imported 0\nimported 1\nimported 2\n"


def test_only_imported_modules_are_handed_to_other_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "imported", [])
    with pytest.raises(UserError, match="no such module to import"):
        plugins.import_modules(["json", "no_such_module", "csv"])
    assert plugins.imported == ["json"]


def test_a_missing_extra_is_one_line(monkeypatch):
    monkeypatch.setattr(
        "kaleido.extras.requires",
        lambda name: ["numpy>=1", "boto3>=1.34; extra == 's3'", 'scikit-learn>=1.4 ; extra == "train"'],
    )
    for module, wanted in (
        ("boto3.session", "needs boto3: pip install 'kaleido-bert[s3]'"),
        ("sklearn.svm", "needs scikit-learn: pip install 'kaleido-bert[train]'"),
        ("numpy", "needs numpy: pip install 'kaleido-bert'"),
    ):
        with pytest.raises(UserError) as error, missing_extras_named():
            raise ModuleNotFoundError(name=module)
        assert wanted in str(error.value)
    with pytest.raises(ModuleNotFoundError), missing_extras_named():
        raise ModuleNotFoundError(name="kaleido.mistyped")


def test_a_stopped_training_says_so(monkeypatch, capsys):
    def stop(argv):
        raise Interrupted(7, 15)

    monkeypatch.setattr("kaleido.__main__.run", stop)
    assert main(["pretrain", "--records=x"]) == 143
    expected = "kaleido pretrain: stopped after step 7 and saved; the same command goes on from there\n"
    assert capsys.readouterr().err == expected


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
