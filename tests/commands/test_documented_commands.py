"""Every command line in documents, configurations, scripts, examples and messages is one that the program takes."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from kaleido import configuration
from kaleido.__main__ import GROUPS, find_subcommand
from kaleido.commands.command import Command, find_action
from kaleido.ready import find_config

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/**/*.md",
    "configs/**/*.yaml",
    "scripts/**/*.sh",
    "examples/**/*.ipynb",
    "kaleido/**/*.py",
)
COMMAND = re.compile(r"(?:^|[\s`(;&|!$])(?:(?:\S*python\S*|\"\$python\") -m kaleido|kaleido) (.*)")
OPTIONS = "OPTIONS"
"""Stands for options that a message puts in."""

NAMES = [name for group in GROUPS.values() for name in group]


def lines_of(path):
    """The lines of a file: comment signs removed, continued lines joined, options in a variable put in its place."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    if path.suffix in (".sh", ".yaml"):
        text = re.sub(r"^#+ ?", "", text, flags=re.MULTILINE)
    for name, options in re.findall(r'^\s*(\w+)="(--.*)"$', text, re.MULTILINE):
        text = re.sub(rf"\${name}\b", options, text)
    lines = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        before = lines[-1] if lines and path.suffix == ".md" else ""
        if "```" not in before and before.count("`") % 2:  # quoted text that goes on in this line
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return lines


def words_of(line):
    """The arguments of a command line; a shell's variables and substitutions stand for one word each."""
    line = re.sub(r"\{\w*option\w*\}", OPTIONS, line)
    line = re.sub(r"\$\(.*?\)|\$\{.*?\}|\{.*?\}", "VALUE", line)
    line = re.sub(r"\[(--[^\]]*)\]", r"\1", line)  # what may be left out
    line = re.split(r"\s(?:#|&&|\|\||[|;&>])(?:\s|$)|;", line)[0]
    try:
        words = shlex.split(line)
    except ValueError:  # an apostrophe in running text
        return []
    return [word for word in words if word not in ("$@", "...", OPTIONS)]


def is_placeholder(value):
    """Whether a value stands for others: NAME, RUNS/x, i/n, a shell's variable."""
    return isinstance(value, str) and re.search(r"[A-Z]{2,}|[$<>]|^[a-zA-Z](/[a-zA-Z])?$", value) is not None


def command_lines():
    """The words of every command line, whether it may be cut short, and its first place."""
    seen = set()
    for pattern in PATTERNS:
        for path in sorted(ROOT.glob(pattern)):
            for line in lines_of(path):
                quotes = re.findall(r"`([^`]+)`", line)
                for span in quotes or ([line] if path.suffix != ".py" else []):
                    partial = bool(quotes) or " ... " in line
                    found = COMMAND.search(f" {span}")
                    # In running text `prepare --shard` is enough.
                    words = words_of(found[1] if found else span if quotes and " --" in span else "")
                    if words and words[0] in NAMES:
                        if partial and words[-1].startswith("--"):
                            words.append("VALUE")
                        if (key := (*words, partial)) in seen:
                            continue
                        seen.add(key)
                        place = f"{path.relative_to(ROOT)}: {' '.join(words)}"
                        yield pytest.param(words, partial, id=place[:150])


@pytest.mark.parametrize(("words", "partial"), command_lines())
def test_a_documented_command_line_is_right(words, partial, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, _, rest = find_action(find_subcommand(words[0]), words[0], words[1:])
    if not isinstance(command, Command):
        assert not rest or is_placeholder(rest[0])
        return
    if (partial and not rest) or "--help" in rest:
        return  # only mentioned
    if "--import" in rest:  # registers a task, which the other tests should not see
        program = [sys.executable, "-m", "kaleido", *words, "--print-config"]
        done = subprocess.run(program, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return
    cls = command.config_class
    values, files = configuration.read_arguments(cls, rest)
    present = [file for file in files if not is_placeholder(file)]
    keys = configuration.keys_of(cls)
    given = {
        key: value
        for key, value in values.items()
        if not is_placeholder(value) or str in (keys[key], *get_args(keys[key]))
    }
    # In running text a command may be cut short; elsewhere nothing that it needs is missing.
    stand_ins = {field.name: "x" for field in fields(cls) if configuration.is_required(field)}
    if not partial and not len(files) > len(present):
        stand_ins = {name: "x" for name in stand_ins if name in values and name not in given}
    if "task" in keys:
        if is_placeholder(given.setdefault("task", "TASK")):
            given["task"] = "category"
        if given["task"] == "attribute":
            given.setdefault("recognition_config.column", "x")
    inherited = {key for file in present for key in configuration.read_mapping(find_config(file))}
    stand_ins = {name: value for name, value in stand_ins.items() if name not in inherited}
    configuration.build(cls, stand_ins | given, present)


def test_there_are_command_lines():
    assert len(list(command_lines())) > 60


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_ready_configuration_is_one_of_the_subcommand_in_its_name(path):
    cls = find_subcommand(path.stem.partition("_")[0]).config_class
    values = {"out": "x", "task": "category"} if path.stem.startswith("finetune") else {}
    assert configuration.build(cls, values, [path])
