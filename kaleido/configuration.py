"""Typed configurations: dataclasses filled from YAML files, Python values and command lines, all in the same way.

A dataclass's fields are the keys; a field that is itself a dataclass is a section, whose keys are written
`section.key`. jsonargparse checks the types; this module adds short aliases, the nearest right key, one-line errors,
and rejects unusable values that jsonargparse would accept.
"""

import argparse
import difflib
import functools
import math
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import jsonargparse
import yaml

from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.ready import find_config

Config = TypeVar("Config")

ALIASES = {
    "batch_size": ("train_config.batch_size", "align_config.batch_size"),
    "steps": ("train_config.steps", "align_config.steps"),
    "epochs": ("train_config.epochs",),
    "lr": ("train_config.optimizer_config.learning_rate", "align_config.learning_rate", "learning_rate"),
    "precision": ("train_config.precision",),
    "text_length": ("preprocess_config.max_text_length",),
    "size": ("model_config.size",),
    "backbone": ("prepare_config.backbone",),
    "saliency": ("prepare_config.saliency",),
    "vocabulary": ("prepare_config.vocabulary",),
    "on_error": ("prepare_config.on_error",),
    "seed": ("prepare_config.seed",),
    "split": ("evaluate_config.split",),
    "language": ("caption_config.language",),
}
"""Short names of keys in sections, each with the keys that it may stand for.

The first of these keys that a configuration has is used; a field with the alias's own name takes precedence.
"""

RENAMED = {
    "output": "out",
    "records": "out",
    "run": "model",
    "runs": "out",
    "scale": "preset",
    "label_column": "label",
    "max_text_length": "text_length",
    "recognition_config.catalog": "catalog",
    "retrieval_config.towers": "retrieval_config.two_tower_model",
    "retrieval_config.hardest": "retrieval_config.hard_negatives",
}
"""Replacements of the keys of earlier versions."""

REMOVED = {
    "from_original": "`kaleido prepare-original FILES --vocabulary VOCABULARY --out RECORDS` converts them",
    "max_text_length": "the model stores its text length",
}
"""Hints for options of earlier versions that the command no longer has."""

FORMERLY_ZERO = ("train_config.steps", "shortlist")
"""Keys whose 0 meant "none" in earlier versions."""

POSITIONAL = {"positional": True}
"""Metadata of a dataclass field that is a positional argument on the command line."""

MAX_BYTES = 100_000
"""Largest size of a configuration file, a hundred times that of a complete one."""

_NAMES = {str: "text", int: "an int", float: "a finite number", bool: "true or false"}


class _Loader(yaml.SafeLoader):
    """Loads YAML of plain values; rejects references and keys that occur twice."""

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


def build(cls: type[Config], values: Mapping[str, Any], files: Sequence[str | Path] = ()) -> Config:
    """Builds a configuration from files and values; later files override earlier ones, and values override files.

    Args:
        cls: A dataclass whose fields may be dataclasses.
        values: Python values, or their text as on a command line. Keys are names of fields, `section.key`, aliases
            (`ALIASES`), or sections with a mapping or a dataclass.
        files: YAML files, or names of ready configurations.

    Raises:
        UserError: for an unknown key (names the nearest right one), a wrong type, a missing value or unreadable YAML.
    """
    keys, short = keys_of(cls), aliases(cls)
    merged: dict[str, Any] = {}
    for file in files:
        path = find_config(file)
        merged |= _flat(read_mapping(path), keys, short, f"{path}: ")
    merged |= _flat(values, keys, short, "")
    for field in fields(cls):
        if is_required(field) and field.name not in merged:
            raise UserError(f"{field.name} is missing; it must be {_describe(keys[field.name])}")
    parser = _parser(cls)
    try:
        return cls(**vars(parser.instantiate(parser.parse_object(merged))))
    except argparse.ArgumentError as error:
        message = " ".join(str(error).split())
        if (found := re.match(r'Parser key "([^"]+)"', message)) and found[1] in merged:
            _refuse(found[1], keys, merged[found[1]])
        raise UserError(message) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"a value cannot be read: {' '.join(str(error).split())}") from None


def dotted(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Converts the values that `build` takes to dotted keys: aliases are replaced, sections flattened.

    Raises:
        UserError: for an unknown key, or one that is given twice.
    """
    return _flat(values, keys_of(cls), aliases(cls), "")


def parse(cls: type[Config], argv: Sequence[str]) -> Config:
    """Builds a configuration from command-line arguments.

    `--config` names files; every field is an option in kebab-case (`--max-photos`), every key of a section
    `--section.key`, and aliases are options as well. Fields with the metadata `POSITIONAL` are positional arguments.

    Args:
        cls: A dataclass whose fields may be dataclasses.
        argv: The arguments.

    Raises:
        UserError: as in `build`, and for an unknown option or one without a value.
        SystemExit: after `--print-config`.
    """
    printed = "--print-config" in argv
    values, files = read_arguments(cls, [argument for argument in argv if argument != "--print-config"])
    config = build(cls, values, files)
    if printed:
        print(yaml.safe_dump(to_dict(config), sort_keys=False), end="")
        raise SystemExit(0)
    return config


def build_section(
    cls: type, section: str, config: Any, options: Mapping[str, Any], required: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Builds one section of a run's configuration from the arguments of a library function.

    Args:
        cls: Dataclass of the run.
        section: Name of the section.
        config: The section as a dataclass, a YAML file or the name of a ready configuration of the run, or None for the
            defaults.
        options: Values of keys of the section; they override `config`.
        required: Values of the fields of the run that have no default.

    Raises:
        UserError: as in `build`.
    """
    files = [config] if isinstance(config, str | Path) else []
    values = {} if files or config is None else flatten(config)
    values = {f"{section}.{key}": value for key, value in (values | dict(options)).items()}
    return getattr(build(cls, {**values, **required}, files), section)


def load(cls: type[Config], path: Path) -> Config:
    """Reads a configuration that `save` wrote."""
    return build(cls, {}, [path])


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML file of plain values.

    Raises:
        UserError: if it is missing, too large, no mapping or not valid; the line is named where it is known.
    """
    try:
        if not path.exists():
            raise UserError(f"{path}: no such configuration; the ready ones are in configs/")
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
    """Converts a configuration to plain values: dataclasses become dicts, tuples lists."""
    if is_dataclass(config):
        return {field.name: to_dict(getattr(config, field.name)) for field in fields(config)}
    return list(config) if isinstance(config, tuple) else config


def flatten(config: Any) -> dict[str, Any]:
    """Converts a configuration to plain values by dotted key."""

    def walk(section, prefix):
        for field in fields(section):
            value = getattr(section, field.name)
            if is_dataclass(value):
                yield from walk(value, f"{prefix}{field.name}.")
            else:
                yield f"{prefix}{field.name}", to_dict(value)

    return dict(walk(config, ""))


def aliases(cls: type) -> dict[str, str]:
    """Returns the aliases of a configuration, each with the key that it stands for."""
    keys = keys_of(cls)
    found = {}
    for alias, targets in ALIASES.items():
        if alias not in keys and (target := next((target for target in targets if target in keys), None)):
            found[alias] = target
    return found


def option(key: str) -> str:
    """Returns the command-line option of a key or alias."""
    return f"--{key}" if "." in key else f"--{key.replace('_', '-')}"


def is_positional(field: Field) -> bool:
    """Tells whether a dataclass field is a positional argument on the command line."""
    return bool(field.metadata.get("positional"))


def is_required(field: Field) -> bool:
    """Tells whether a dataclass field has no default."""
    return field.default is MISSING and field.default_factory is MISSING


@functools.cache
def keys_of(cls: type) -> dict[str, Any]:
    """Lists every key that a configuration has, sections included, and its type."""

    def walk(section, prefix) -> Iterator[tuple[str, Any]]:
        hints = get_type_hints(section)
        for name in (field.name for field in fields(section)):
            hint = hints[name]
            yield prefix + name, hint
            if is_dataclass(hint):
                yield from walk(hint, f"{prefix}{name}.")

    return dict(walk(cls, ""))


@functools.cache
def _parser(cls: type) -> jsonargparse.ArgumentParser:
    parser = jsonargparse.ArgumentParser(exit_on_error=False, env_prefix=False)
    parser.add_class_arguments(cls)
    return parser


def _flat(values: Mapping[str, Any], keys: Mapping[str, Any], short: Mapping[str, str], where: str, prefix: str = ""):
    """Flattens values to dotted keys; rejects unknown keys, keys given twice and values that no key can have."""
    found: dict[str, Any] = {}
    for given, value in values.items():
        name = f"{prefix}{given}"
        name = short.get(name, name)
        if name not in keys:
            raise UserError(f"{where}unknown key {name}{_nearest(name, keys)}")
        if not is_dataclass(keys[name]):
            nested = {name: _checked(name, keys, value, where)}
        elif isinstance(value, Mapping):
            nested = _flat(value, keys, {}, where, f"{name}.")
        elif is_dataclass(value):
            nested = {f"{name}.{key}": part for key, part in flatten(value).items()}
        elif value is None:  # a section left empty in a file: the defaults stand
            nested = {}
        else:
            raise UserError(f"{where}{name} is a section, a mapping of keys to values. Received: {value!r:.100}")
        if twice := found.keys() & nested.keys():
            raise UserError(f"{where}{min(twice)} is given twice, also as {given}")
        found |= nested
    return found


def _checked(name: str, keys: Mapping[str, Any], value: Any, where: str) -> Any:
    """Converts a value to what jsonargparse expects; rejects unusable values that it would accept."""
    hint = keys[name]
    optional = NoneType in get_args(hint)
    collection, parts = _collection(hint)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if collection is dict and isinstance(value, Mapping):
        return {key: [part] if isinstance(part, str) else list(part) for key, part in value.items()}
    if isinstance(value, Mapping) or (value is None and not optional):
        received = "nothing" if value is None else "a mapping"
        raise UserError(f"{where}{name} must be {_describe(hint)}. Received: {received}")
    if optional and (value == "" or (name in FORMERLY_ZERO and value in (0, "0"))):
        received = "an empty text" if value == "" else value
        raise UserError(f"{where}{name} must be {_describe(hint)}; write null for none. Received: {received}")
    if collection is tuple and str in parts and isinstance(value, str) and value != "null" and value[:1] != "[":
        value = [value]
    if any(
        (isinstance(part, float) and not math.isfinite(part))
        or (isinstance(part, int) and abs(part) >= 2**63)
        or (isinstance(part, str) and re.search("[\0\ud800-\udfff]", part))
        or (hint is bool and isinstance(part, str) and part not in ("true", "false"))
        for part in (value if isinstance(value, list | tuple) else [value])
    ):
        _refuse(name, keys, value)
    return value


def _refuse(name: str, keys: Mapping[str, Any], value: Any) -> NoReturn:
    raise UserError(f"{name} must be {_describe(keys[name])}. Received: {_printable(value)}")


def read_arguments(cls: type, argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Reads the values by key, and the configuration files, that a command line gives; types are not checked.

    Raises:
        UserError: for an unknown option, one without a value, and too many arguments without a name.
    """
    keys, short = keys_of(cls), aliases(cls)
    options = {option(key): key for key in [*short, *keys] if not is_dataclass(keys.get(key))}
    values: dict[str, Any] = {}
    files, positional = [], []
    queue = deque(argv)
    while queue:
        argument = queue.popleft()
        name, equals, text = argument.partition("=")
        if argument == "--":
            positional += queue
            break
        if not argument.startswith("--"):
            positional.append(argument)
            continue
        if is_dataclass(section := keys.get(name[2:])):
            raise UserError(f"{name} is a section; give its keys, for example {name}.{fields(section)[0].name}")
        if name not in options and name != "--config":
            raise UserError(f"unknown option {name}{_nearest(name, options)}")
        key = options.get(name, "")
        key = short.get(key, key)
        hint = keys.get(key, str)
        if equals:
            given = [text]
        elif hint is bool:
            given = [queue.popleft() if queue and queue[0] in ("true", "false") else "true"]
        else:
            given = []
            while queue and not queue[0].startswith("--") and (not given or _collection(hint)[0]):
                given.append(queue.popleft())
            if not given:
                raise UserError(f"{name} needs a {'file' if name == '--config' else 'value'}")
        if name == "--config":
            files += given
        else:
            values[key] = _from_text(name, hint, given, values.get(key))
    return values | _positional_values(cls, keys, values, positional), files


def _positional_values(
    cls: type, keys: Mapping[str, Any], values: Mapping[str, Any], given: Sequence[str]
) -> dict[str, Any]:
    """Assigns the positional arguments to keys."""
    found: dict[str, Any] = {}
    rest = deque(given)
    for field in fields(cls):
        if rest and is_positional(field) and field.name not in values:
            if _collection(keys[field.name])[0]:
                found[field.name] = list(rest)
                rest.clear()
            else:
                found[field.name] = rest.popleft()
    if rest:
        missing = [field.name for field in fields(cls) if is_required(field) and field.name not in {*values, *found}]
        hint = f"; did you mean {option(missing[0])} {rest[0]}?" if missing else ""
        raise UserError(f"unrecognized arguments: {' '.join(rest)}{hint}")
    return found


def _from_text(name: str, hint: Any, given: list[str], before: Any) -> Any:
    """Reads the value of an option; lists and mappings extend the value that the same option gave before."""
    collection, parts = _collection(hint)
    if collection is dict:
        value = dict(before or {})
        for pair in given:
            key, equals, columns = pair.partition("=")
            if not equals or (columns and not all(columns.split(","))):
                raise UserError(f"{name} takes FIELD=COLUMN, or FIELD=COLUMN,COLUMN. Received: {pair!r}")
            value[key] = columns.split(",") if columns else []
        return value
    if collection is tuple and given[0] != "null" and not given[0].startswith("["):
        if str in parts:
            return [*(before or []), *given]
        return f"[{','.join(given)}]"
    return given[-1]


def _collection(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Returns `tuple` or `dict` and the types of its parts, for a list or mapping that may be None; else None."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) in (tuple, dict):
            return get_origin(part), get_args(part)
    return None, ()


def _describe(hint: Any) -> str:
    if hint in _NAMES:
        return _NAMES[hint]
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if get_origin(hint) is tuple:
        kind = "texts" if str in parts else "ints"
        return f"a list of {kind}" if Ellipsis in parts else f"a list of {len(parts)} {kind}"
    if get_origin(hint) is dict:
        return "a mapping of names to names"
    return " or ".join("null" if part is NoneType else _describe(part) for part in parts)


def _printable(value: Any) -> str:
    huge = isinstance(value, int) and abs(value) >= 2**63  # Python does not write ints of thousands of digits
    text = f"{value:#x}"[:100] if huge else str(value)[:100]
    return text if text.isprintable() and text.strip() else repr(text)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Writes the end of a message about an unknown key or option: its replacement, or the nearest known one."""
    spelled = {_plain(one): one for one in known}
    name = _plain(name)
    if (new := spelled.get(RENAMED.get(name, ""))) is not None:
        return f"; it is now called {new}"
    if name in REMOVED:
        return f"; {REMOVED[name]}"
    # A key in the wrong section is as likely as a misspelt one, so last parts are compared as well.
    by_last_part = {key.rpartition(".")[2]: key for key in reversed(spelled)}
    near = difflib.get_close_matches(name, spelled, 1, 0.6) or [
        by_last_part[part] for part in difflib.get_close_matches(name.rpartition(".")[2], by_last_part, 1, 0.6)
    ]
    return f"; did you mean {spelled[near[0]]}?" if near else "; --help lists the known ones"


def _plain(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")
