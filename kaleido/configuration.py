"""Typed configurations: dataclasses filled from YAML and from dotted names on the command line.

jsonargparse parses and checks the types; what is added here is naming the nearest right key and one-line errors.
"""

import argparse
import difflib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import jsonargparse
import yaml

from kaleido.atomic import write_atomically
from kaleido.errors import UserError

Config = TypeVar("Config")

OPTIONS = ("config", "help", "print_config")


def parse(cls: type[Config], argv: list[str], prog: str, description: str) -> Config:
    """Builds a configuration from `--config FILE.yaml` and `--dotted.name value` overrides, the latter winning.

    Args:
        cls: A dataclass whose fields may be dataclasses.
        argv: Command-line arguments.
        prog: How the command is called, for `--help`.
        description: What it does, for `--help`.

    Raises:
        UserError: for an unknown key (names the nearest right one), a wrong type, a missing value or unreadable YAML.
    """
    keys = dotted_keys(cls)
    for argument in argv:
        name = argument[2:].partition("=")[0]
        if argument.startswith("--") and name not in keys and name not in OPTIONS:
            raise UserError(f"unknown option --{name}{_nearest(name, keys, '--')}")
    parser = _parser(cls, prog, description)
    try:
        for path in _config_files(argv):
            _check_keys(path, keys)
        namespace = parser.parse_args(argv)
        namespace.pop("config")
        return cls(**vars(parser.instantiate(namespace)))
    except argparse.ArgumentError as error:
        raise UserError(" ".join(str(error).split())) from None


def load(cls: type[Config], path: Path) -> Config:
    """Reads a configuration that `save` wrote."""
    return parse(cls, ["--config", str(path)], prog="", description="")


def save(config: Any, path: Path) -> None:
    """Writes the whole configuration, defaults included, as YAML."""
    write_atomically(Path(path), yaml.safe_dump(to_dict(config), sort_keys=False).encode())


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values: dataclasses become dicts, tuples lists."""
    if is_dataclass(config):
        return {field.name: to_dict(getattr(config, field.name)) for field in fields(config)}
    return list(config) if isinstance(config, tuple) else config


def flatten(config: Any) -> dict[str, Any]:
    """Plain values by dotted name."""

    def walk(values, prefix):
        for key, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    return dict(walk(to_dict(config), ""))


def dotted_keys(cls: type) -> list[str]:
    """Every key that the configuration knows, sections included."""
    keys = []
    for name, hint in get_type_hints(cls).items():
        keys.append(name)
        if is_dataclass(hint):
            keys += [f"{name}.{key}" for key in dotted_keys(hint)]
    return keys


def _parser(cls, prog, description):
    parser = jsonargparse.ArgumentParser(
        prog=prog, description=description, exit_on_error=False, allow_abbrev=False, env_prefix=False
    )
    parser.add_argument("--config", action="config", help="a YAML file; options given beside it win")
    parser.add_class_arguments(cls)
    return parser


def _config_files(argv):
    for index, argument in enumerate(argv):
        if argument.startswith("--config="):
            yield Path(argument.partition("=")[2])
        elif argument == "--config" and index + 1 < len(argv):
            yield Path(argv[index + 1])


def _check_keys(path, keys):
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration; the ready ones lie in configs/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a configuration: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}") from None
    if content is not None and not isinstance(content, dict):
        raise UserError(f"{path}: a configuration is a mapping of keys to values. Received: {type(content).__name__}")
    _check_mapping(content or {}, "", path, keys)


def _check_mapping(mapping, prefix, path, keys):
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if name not in keys:
            raise UserError(f"{path}: unknown key {name}{_nearest(name, keys)}")
        if isinstance(value, dict):
            _check_mapping(value, f"{name}.", path, keys)


def _nearest(name, keys, mark=""):
    # A key in the wrong section is as likely as a misspelt one, so last parts are compared as well.
    by_last_part = {key.rpartition(".")[2]: key for key in keys}
    near = difflib.get_close_matches(name, keys, 1, 0.6) or [
        by_last_part[part] for part in difflib.get_close_matches(name.rpartition(".")[2], by_last_part, 1, 0.6)
    ]
    return f"; did you mean {mark}{near[0]}?" if near else "; --help lists the known ones"
