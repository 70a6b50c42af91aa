"""Writes the `--help` page of a typed configuration from its docstrings."""

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
    "--config NAME|FILE": "Ready configuration or YAML file to take values from; options override it.",
    "--import MODULE": "Module, file or folder that registers custom tasks; may be repeated.",
    "--print-config": "Print the whole configuration as YAML and do nothing.",
    "--help": "Show this page.",
}


def help_page(cls: type, prog: str, description: str) -> str:
    """Writes the page: usage, positional arguments, options of the root, then a block for each section.

    Args:
        cls: The configuration's dataclass; its docstrings describe the fields under `Args` or `Attributes`.
        prog: Name of the command.
        description: Description of the command.
    """
    entries = dict(_entries(cls))
    roots = [field for field in fields(cls) if field.name in entries]
    positional = [field.name for field in roots if is_positional(field)]
    required = {field.name for field in roots if is_required(field)}
    needed = [f"{option(name)} {name.upper()}" for name in entries if name in required and name not in positional]
    given = [name.upper() if name in required else f"[{name.upper()}]" for name in positional]
    blocks = [f"usage: {' '.join([prog, *given, *needed])} [OPTION ...]", textwrap.fill(description, _WIDTH)]
    if positional:
        blocks.append("\n".join(_entry(name.upper(), *entries[name][1:]) for name in positional))
    options = [
        _entry(f"{option(field.name)} {_kind(entries[field.name][0])}", *entries[field.name][1:])
        for field in roots
        if field.name not in positional
    ]
    for alias, key in aliases(cls).items():
        hint, text, default = entries[key]
        options.append(_entry(f"{option(alias)} {_kind(hint)}", f"{text} Short for {option(key)}.", default))
    general = [_entry(name, text) for name, text in _GENERAL.items()]
    blocks.append("options:\n" + "\n".join([*options, *general]))
    sections: dict[str, list[str]] = {}
    for key, (hint, text, default) in entries.items():
        if "." in key:
            sections.setdefault(key.rpartition(".")[0], []).append(_entry(f"--{key} {_kind(hint)}", text, default))
    blocks += [f"{section}:\n" + "\n".join(lines) for section, lines in sections.items()]
    return "\n\n".join(blocks)


def _entries(cls: type, prefix: str = "", instance: Any = None) -> Iterator[tuple[str, tuple[Any, str, str]]]:
    """Yields type, description and default of every key; `instance` has the defaults of a section."""
    hints, words = get_type_hints(cls), _descriptions(cls)
    for field in fields(cls):
        value = getattr(instance, field.name) if instance else _default(field)
        if is_dataclass(value):
            yield from _entries(type(value), f"{prefix}{field.name}.", value)
        else:
            default = "" if is_required(field) else _written(value)
            yield f"{prefix}{field.name}", (hints[field.name], words[field.name], default)


def _descriptions(cls: type) -> dict[str, str]:
    """Reads the description of every field, inherited ones included."""
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


def _default(field: Field) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def _written(value: Any) -> str:
    """Writes a default as the command line accepts it."""
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
