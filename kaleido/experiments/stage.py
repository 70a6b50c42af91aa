"""A stage: some commands whose result is known by what it depends on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaleido import configuration
from kaleido.errors import UserError
from kaleido.experiments import kinds
from kaleido.experiments.code import code_version

STAGES = "stages"
DIGITS = 12


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a stage.

    Attributes:
        verb: Of `python -m kaleido`.
        arguments: That follow it.
        config: What is written for it into `VERB.yaml` in the stage's folder, and given to it by `--config`; None if it
            takes none.
    """

    verb: str
    arguments: tuple[str, ...] = ()
    config: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Some commands with one result.

    Attributes:
        kind: One of `kinds.KINDS`.
        key: Hexadecimal, of all that the result depends on: settings, inputs, code, files that are named.
        folder: Of the stage.
        inputs: Stages that must be done before.
        commands: To run, one after another.
        results: Files in the folder without which it is not done.
        units: Training steps, or 1.
        unit: `step`, `epoch` or `stage`.
        label: The first experiment that wants it, and its seed; for people.
        missing: What somebody has to bring first, in words.
        about: What the result depends on, in JSON types, for the folder's `stage.json`.
    """

    kind: str
    key: str
    folder: Path
    inputs: tuple["Stage", ...]
    commands: tuple[Command, ...]
    results: tuple[str, ...]
    units: float
    unit: str
    label: str
    missing: str
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.name


def stage_key(
    kind: str, settings: Mapping[str, Any], inputs: Mapping[str, str], files: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """The key of a stage, and what it is made of.

    Args:
        kind: One of `kinds.KINDS`.
        settings: That change the result.
        inputs: Keys of stages, and fingerprints of data, by name.
        files: Checksums of files that the settings name, by key.
    """
    about = {
        "kind": kind,
        "settings": dict(settings),
        "inputs": dict(inputs),
        "files": dict(files),
        "code": code_version(kinds.MODULES[kind]),
    }
    about = json.loads(json.dumps(about))
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:DIGITS], about


def settings_of(config: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """What counts of a verb's configuration: plain values by dotted key, and the files that it names.

    Args:
        config: As `configuration.parse` made it.
    """
    values = configuration.flatten(config)
    kept = {key: value for key, value in values.items() if key not in kinds.PLACES | kinds.RUNTIME}
    files = {}
    for key in kinds.FILES:
        # A vocabulary may also be `catalog`: made of the catalogue's own texts.
        if (value := kept.get(key)) and value != "catalog":
            files[key] = kept.pop(key)
    return kept, files


class Checksums:
    """Checksums of files and folders, each taken once.

    Attributes:
        missing: Paths that are not there, with what names them.
    """

    def __init__(self):
        self._known: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def of(self, path: str, named_by: str) -> str:
        """Hexadecimal sha256 of a file, or of a folder's files and their names; `missing` where there is nothing."""
        if path not in self._known:
            place = Path(path)
            if not place.exists():
                self.missing[path] = named_by
                return "missing"
            files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
            digest = hashlib.sha256()
            for file in files:
                digest.update(f"{file.relative_to(place).as_posix()}\0".encode())
                with open(file, "rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
            self._known[path] = digest.hexdigest()
        return self._known[path]


def resolve(section: str, path: Path, settings: list[Mapping[str, Any]]) -> Any:
    """The configuration of a verb.

    Args:
        section: Of the scale, one of `kinds.SECTIONS`.
        path: Of the scale's file, which a `config` in the settings is beside.
        settings: Nested or dotted keys; later ones win over earlier ones.

    Raises:
        UserError: naming the scale, the section and the key that cannot be used.
    """
    described = kinds.SECTIONS[section]
    files, values = [], {}
    for mapping in settings:
        flat = _dotted(mapping)
        if "config" in flat:
            files = [f"--config={path.parent / str(flat.pop('config'))}"]
        values |= flat
    given = described.required | {key: _text(value) for key, value in values.items()}
    return _parsed(section, str(path), tuple(files), tuple(given.items()))


_cache: dict[tuple, Any] = {}


def _parsed(section: str, path: str, files: tuple[str, ...], given: tuple[tuple[str, str], ...]) -> Any:
    """Parses once what many experiments share."""
    key = section, path, files, given
    if key not in _cache:
        arguments = [*files, *(f"--{name}={value}" for name, value in given)]
        try:
            _cache[key] = configuration.parse(kinds.SECTIONS[section].config, arguments)
        except UserError as error:
            raise UserError(f"{path}, section {section}: {error}") from None
    return _cache[key]


def _dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _dotted(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
