"""`--help` of every subcommand: whole, and without waiting for a framework."""

import importlib
import subprocess
import sys
from dataclasses import is_dataclass

import pytest

from kaleido import configuration
from kaleido.__main__ import GROUPS, find_subcommand, main
from kaleido.commands.command import Command
from kaleido.configuration import option

FRAMEWORKS = ("keras", "tensorflow", "jax", "tensorflow_datasets", "sklearn", "matplotlib", "h5py", "boto3")


def commands(actions, words):
    if isinstance(actions, Command):
        yield words
    else:
        for name, action in actions.items():
            yield from commands(action, [*words, name])


def all_commands():
    for group in GROUPS.values():
        for name in group:
            yield from commands(find_subcommand(name), [name])


def test_the_first_page_names_all_subcommands(capsys):
    for argv in ([], ["--help"], ["help"]):
        assert main(argv) == 0
        page = capsys.readouterr().out
        assert all(f"\n  {name} " in page for group in GROUPS.values() for name in group)
        assert all(f"\n{title}:\n" in page for title in GROUPS)


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_field_is_shown_with_its_description(words, capsys):
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    page = capsys.readouterr().out
    command = find_subcommand(words[0])
    for word in words[1:]:
        command = command[word]
    lines = page.splitlines()
    assert lines[0].startswith(f"usage: kaleido {' '.join(words)}") and lines[2].endswith((".", ".)"))
    assert max(map(len, lines)) < 120
    for key, hint in configuration.keys_of(command.config_class).items():
        if not is_dataclass(hint):
            places = [
                number
                for number, line in enumerate(lines)
                if line.startswith((f"  {option(key)} ", f"  {key.upper()} "))
            ]
            assert places, key
            described = lines[places[0]][34:].strip() or lines[places[0] + 1].strip()
            assert described.strip("()"), key
    for alias, key in configuration.aliases(command.config_class).items():
        assert f"  {option(alias)} " in page and f"Short for {option(key)}." in " ".join(page.split())


def test_help_of_actions(capsys):
    for words, shown in (
        (["catalog"], "generate"),
        (["catalog", "import"], "fashion-gen"),
        (["weights"], "import-orig"),
    ):
        with pytest.raises(SystemExit) as left:
            main([*words, "--help"])
        assert left.value.code == 0 and f"\n  {shown}" in capsys.readouterr().out
        assert main(words) == 2
        assert "takes one of" in capsys.readouterr().err


def test_help_imports_no_framework():
    modules = [f"kaleido.commands.{name.replace('-', '_')}" for group in GROUPS.values() for name in group]
    assert all(importlib.import_module(module).COMMAND for module in modules)
    code = f"""
import sys
from kaleido.__main__ import main
for words in {[*all_commands()]!r}:
    try:
        main([*words, "--help"])
    except SystemExit as left:
        assert not left.code
    loaded = [name for name in {FRAMEWORKS!r} if name in sys.modules]
    assert not loaded, (words, loaded)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
