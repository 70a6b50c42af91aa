"""Typed configurations: dataclasses filled from YAML and from dotted names on the command line.

jsonargparse parses and checks the types; what is added here is naming the nearest right key, one-line errors, and
refusing what jsonargparse lets through.
"""

import argparse
import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import jsonargparse
import yaml

from kaleido.atomic import write_atomically
from kaleido.errors import UserError

Config = TypeVar("Config")

OPTIONS = ("config", "help", "print_config")

MAX_BYTES = 100_000
"""Of a file; a hundred times a whole configuration."""

_NAMES = {str: "text", int: "an int", float: "a finite number", bool: "true or false"}


class _Loader(yaml.SafeLoader):
    """YAML of plain values alone, in which nothing is said twice or by reference."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            # A few nested references stand for billions of values.
            raise yaml.MarkedYAMLError(
                problem="references (*name) are not allowed", problem_mark=self.peek_event().start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} occurs twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


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
    keys = dict(_hints(cls))
    for argument in argv:
        name = argument[2:].partition("=")[0]
        if not argument.startswith("--") or name in OPTIONS:
            continue
        if name not in keys:
            raise UserError(f"unknown option --{name}{_nearest(name, keys, '--')}")
        if is_dataclass(keys[name]):
            raise UserError(f"--{name} is a section; give its keys, for example --{name}.{fields(keys[name])[0].name}")
    files, options = _split(argv)
    for path in files:
        _check_mapping(read_mapping(path), "", path, keys)
    parser = _parser(cls, prog, description)
    try:
        namespace = parser.parse_args([*(f"--config={path}" for path in files), *options])
        namespace.pop("config")
        values = namespace.as_flat()
        _check_values(vars(values), keys)
        return cls(**vars(parser.instantiate(namespace)))
    except argparse.ArgumentError as error:
        raise UserError(_reworded(" ".join(str(error).split()), keys)) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"a value cannot be read: {' '.join(str(error).split())}") from None


def load(cls: type[Config], path: Path) -> Config:
    """Reads a configuration that `save` wrote."""
    return parse(cls, ["--config", str(path)], prog="", description="")


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML file of plain values.

    Raises:
        UserError: if it is missing, too large, no mapping or not valid; the line is named where it is known.
    """
    try:
        if not path.exists():
            raise UserError(f"{path}: no such configuration; the ready ones lie in configs/")
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: not a configuration, which is a YAML file of at most {MAX_BYTES:,} bytes")
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a configuration: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply for a configuration") from None
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path}: holds a value that cannot be read: {error}") from None
    if not isinstance(content, dict):
        kind = "nothing" if content is None else type(content).__name__
        raise UserError(f"{path}: a configuration is a mapping of keys to values. Received: {kind}")
    return content


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


def _hints(cls: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that the configuration knows, sections included, and its type."""
    for name, hint in get_type_hints(cls).items():
        yield prefix + name, hint
        if is_dataclass(hint):
            yield from _hints(hint, f"{prefix}{name}.")


def _parser(cls, prog, description):
    parser = jsonargparse.ArgumentParser(
        prog=prog, description=description, exit_on_error=False, allow_abbrev=False, env_prefix=False
    )
    parser.add_argument("--config", action="config", help="a YAML file; options given beside it win")
    parser.add_class_arguments(cls)
    return parser


def _split(argv):
    """The configuration files, and the other arguments."""
    files, others = [], []
    arguments = iter(argv)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == "--config":
            value = value if equals else next(arguments, "")
            if not value:
                raise UserError("--config needs a file")
            files.append(Path(value))
        else:
            others.append(argument)
    return files, others


def _check_mapping(mapping, prefix, path, keys):
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if name not in keys:
            raise UserError(f"{path}: unknown key {name}{_nearest(name, keys)}")
        if not is_dataclass(keys[name]):
            if isinstance(value, dict) or (value is None and NoneType not in get_args(keys[name])):
                received = "nothing" if value is None else "a mapping"
                raise UserError(f"{path}: {name} must be {_describe(keys[name])}. Received: {received}")
        elif isinstance(value, dict):
            _check_mapping(value, f"{name}.", path, keys)
        elif value is not None:
            raise UserError(f"{path}: {name} is a section, a mapping of keys to values. Received: {value!r:.100}")


def _check_values(values, keys):
    """Refuses what the types allow and nothing can be done with."""
    for name, value in values.items():
        hint = keys[name]
        if is_dataclass(hint):  # left empty in the file: the defaults stand
            continue
        for part in value if isinstance(value, list | tuple) else [value]:
            unusable = (
                (part is None and NoneType not in get_args(hint))
                or (isinstance(part, float) and not math.isfinite(part))
                or (isinstance(part, int) and abs(part) >= 2**63)
                or (isinstance(part, str) and re.search("[\0\ud800-\udfff]", part))
            )
            if unusable:
                raise UserError(f"{name} must be {_describe(hint)}. Received: {str(part)[:100]!r}")


def _reworded(message, keys):
    """jsonargparse's words for a wrong type, in those of a user; other messages stay."""
    found = re.match(r'Parser key "([^"]+)": .*?(?:[Gg]ot value|[Gg]iven value): (.*)', message)
    if not found or found[1] not in keys:
        return message
    return f"{found[1]} must be {_describe(keys[found[1]])}. Received: {found[2][:100]}"


def _describe(hint):
    if hint in _NAMES:
        return _NAMES[hint]
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(options)}"
    if get_origin(hint) is tuple:
        return "a list of ints" if Ellipsis in options else f"a list of {len(options)} ints"
    return " or ".join("null" if option is NoneType else _describe(option) for option in options)


def _nearest(name, keys, mark=""):
    # A key in the wrong section is as likely as a misspelt one, so last parts are compared as well.
    by_last_part = {key.rpartition(".")[2]: key for key in keys}
    near = difflib.get_close_matches(name, keys, 1, 0.6) or [
        by_last_part[part] for part in difflib.get_close_matches(name.rpartition(".")[2], by_last_part, 1, 0.6)
    ]
    return f"; did you mean {mark}{near[0]}?" if near else "; --help lists the known ones"
