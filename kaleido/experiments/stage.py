"""A stage: some commands whose result is identified by everything that it depends on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
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
        subcommand: Subcommand of `kaleido`.
        arguments: Arguments that follow it.
        config: Configuration that is written into `SUBCOMMAND.yaml` in the stage's folder and given by `--config`; None
            where there are arguments alone.
    """

    subcommand: str
    arguments: tuple[str, ...] = ()
    config: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Some commands with one result.

    Attributes:
        kind: One of `kinds.stage_kinds()`.
        key: Hexadecimal checksum of all that the result depends on: settings, inputs, code, files that are named.
        folder: Folder of the stage.
        inputs: Stages that must be done before.
        commands: Commands to run, one after another.
        results: Files that its folder has when it is finished.
        units: Training steps, or 1.
        unit: `step`, `epoch` or `stage`.
        label: First experiment that needs it, and its seed; for display.
        missing: Description of missing data; empty if there are none.
        about: Everything that the result depends on, in JSON types, for the folder's `stage.json`.
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
        """Name of the folder."""
        return self.folder.name


def stage_key(
    kind: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    files: Mapping[str, str],
    modules: Iterable[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Computes the key of a stage.

    Args:
        kind: Kind of the stage.
        settings: Settings that change the result.
        inputs: Keys of stages, and fingerprints of data, by name.
        files: Checksums of files that the settings name, by key.
        modules: Names of the modules that it runs.

    Returns:
        Key, and the values that it was computed from.
    """
    about = {
        "kind": kind,
        "settings": dict(settings),
        "inputs": dict(inputs),
        "files": dict(files),
        "code": code_version(modules),
    }
    about = json.loads(json.dumps(about))
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:DIGITS], about


def settings_of(config: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Selects the values of a configuration that change results, by dotted key, and the files that it names."""
    foreign = kinds.foreign_sections(config.task) if kinds.is_task(getattr(config, "task", "")) else frozenset()
    kept = {
        key: value
        for key, value in configuration.flatten(config).items()
        if key not in kinds.PLACES | kinds.RUNTIME and key.partition(".")[0] not in foreign
    }
    # A vocabulary may also be `catalog`: made of the catalogue's own texts.
    files = {key: kept.pop(key) for key in kinds.FILES if kept.get(key) not in (None, "", "catalog")}
    return kept, files


class Checksums:
    """Checksums of files and folders, each computed once.

    Attributes:
        missing: Paths that do not exist, with the keys that name them.
    """

    def __init__(self):
        self._known: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def of(self, path: str, named_by: str) -> str:
        """Computes the sha256 of a file, or of a folder's files and their names; `missing` if there is nothing."""
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


def resolve(section: str, path: Path, settings: Iterable[Mapping[str, Any]]) -> Any:
    """Builds the configuration of a section.

    Args:
        section: Name of the section, one of `kinds.sections()`.
        path: File of the preset, which a `config` in the settings is relative to.
        settings: Mappings of nested or dotted keys or aliases; later ones override earlier ones.

    Raises:
        UserError: naming the preset, the section and the key that cannot be used.
    """
    described = kinds.sections()[section]
    short = configuration.aliases(described.config)
    files, values = [], dict(described.required)
    for mapping in settings:
        given = {short.get(key, key): value for key, value in _dotted(mapping).items()}
        if "config" in given:
            files = [path.parent / str(given.pop("config"))]
        values |= given
    try:
        return _built(described.config, tuple(files), json.dumps(values))
    except UserError as error:
        raise UserError(f"{path}, section {section}: {error}") from None


@cache
def _built(config: type, files: tuple[Path, ...], values: str) -> Any:
    """Builds a configuration once for all experiments that share it."""
    return configuration.build(config, json.loads(values), files)


def _dotted(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        found |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
