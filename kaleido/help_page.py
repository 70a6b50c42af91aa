"""The `--help` page of a typed configuration, made of its docstrings."""

import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import docstring_parser
import yaml

from kaleido.configuration import aliases, is_positional, is_required, option

_WIDTH, _INDENT = 110, 34
_KINDS = {str: "TEXT", int: "INT", float: "NUMBER", bool: "[true|false]"}
_GENERAL = {
    "--config NAME|FILE": "Ready configuration or YAML file to take values from; options given beside it win.",
    "--import MODULE": "Module, file or folder that registers tasks of one's own; may be repeated.",
    "--print-config": "Print the whole configuration as YAML and do nothing.",
    "--help": "Show this page.",
}


def help_page(cls: type, prog: str, description: str) -> str:
    """Writes the page: usage, what to give by place, daily options, then a block for each section.

    Args:
        cls: The configuration's dataclass; its docstrings describe the fields under `Args` or `Attributes`.
        prog: The command.
        description: What it does.
    """
    hints, words = get_type_hints(cls), _descriptions(cls)
    positional = [field for field in fields(cls) if is_positional(field)]
    plain = [field for field in fields(cls) if not is_positional(field) and not is_dataclass(hints[field.name])]
    needed = [f"{option(field.name)} {field.name.upper()}" for field in plain if is_required(field)]
    given = [field.name.upper() if is_required(field) else f"[{field.name.upper()}]" for field in positional]
    blocks = [f"usage: {' '.join([prog, *given, *needed])} [OPTION ...]", textwrap.fill(description, _WIDTH)]
    if positional:
        entries = (_entry(field.name.upper(), words[field.name], _default(field)) for field in positional)
        blocks.append("\n".join(entries))
    keys = dict(_section_fields(cls))
    options = [
        _entry(f"{option(field.name)} {_kind(hints[field.name])}", words[field.name], _default(field))
        for field in plain
    ]
    for alias, key in aliases(cls).items():
        hint, text, default = keys[key]
        options.append(_entry(f"{option(alias)} {_kind(hint)}", f"{text} Short for --{key}.", default))
    general = [_entry(name, text) for name, text in _GENERAL.items()]
    blocks.append("options:\n" + "\n".join([*options, *general]))
    sections: dict[str, list[str]] = {}
    for key, (hint, text, default) in keys.items():
        sections.setdefault(key.rpartition(".")[0], []).append(_entry(f"--{key} {_kind(hint)}", text, default))
    blocks += [f"{section}:\n" + "\n".join(entries) for section, entries in sections.items()]
    return "\n\n".join(blocks)


def _section_fields(cls: type) -> Iterator[tuple[str, tuple[Any, str, str]]]:
    """Type, description and default of every key in a section."""

    def walk(section: type, prefix: str, instance: Any) -> Iterator[tuple[str, tuple[Any, str, str]]]:
        hints, words = get_type_hints(section), _descriptions(section)
        for field in fields(section):
            value = getattr(instance, field.name)
            if is_dataclass(value):
                yield from walk(type(value), f"{prefix}{field.name}.", value)
            else:
                yield f"{prefix}{field.name}", (hints[field.name], words[field.name], _written(value))

    for field in fields(cls):
        if field.default_factory is not MISSING and is_dataclass(section := field.default_factory()):
            yield from walk(type(section), f"{field.name}.", section)


def _descriptions(cls: type) -> dict[str, str]:
    """The description of every field, also of inherited ones."""
    found = dict.fromkeys((field.name for field in fields(cls)), "")
    for base in reversed(cls.__mro__):
        for part in docstring_parser.parse(base.__dict__.get("__doc__") or "").params:
            for name in part.arg_name.split(", "):
                found[name] = " ".join((part.description or "").split())
    return found


def _entry(name: str, text: str, default: str = "") -> str:
    words = f"{text} ({default})" if default else text
    lines = textwrap.wrap(words, _WIDTH - _INDENT, break_on_hyphens=False) or [""]
    first = f"  {name}"
    start = [f"{first:<{_INDENT}}{lines.pop(0)}"] if len(first) < _INDENT - 1 else [first]
    return "\n".join([*start, *(f"{'':{_INDENT}}{line}" for line in lines)]).rstrip()


def _default(field: Field) -> str:
    if is_required(field):
        return ""
    return _written(field.default_factory() if field.default is MISSING else field.default)


def _written(value: Any) -> str:
    """A default as a command line takes it."""
    if value in ((), {}):
        return ""
    value = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _kind(hint: Any) -> str:
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return "|".join(map(str, parts))
    if get_origin(hint) is dict:
        return "NAME=NAME ..."
    if get_origin(hint) is tuple:
        return f"{_kind(parts[0])} ..."
    return _KINDS.get(hint) or "|".join("null" if part is type(None) else _kind(part) for part in parts)
