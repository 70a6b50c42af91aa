"""An experiment: a small set of overrides on a preset, and the cells of the paper that it fills."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaleido.configuration import read_mapping
from kaleido.errors import UserError
from kaleido.experiments.kinds import sections, stage_kinds

DOWNSTREAM = ("category", "subcategory", "caption", "retrieve")
"""Final stages of an experiment that names no others."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One row or column of the paper.

    Attributes:
        name: Name of the file.
        title: Title for the report.
        cells: Columns of the paper that it fills: by table or figure the name of the column or panel.
        stages: Final stages; the stages that they depend on are added.
        overrides: Keys that override the preset's, by section.
    """

    name: str
    title: str
    cells: Mapping[str, str]
    stages: tuple[str, ...]
    overrides: Mapping[str, Mapping[str, Any]]


def read_experiments(folder: Path) -> tuple[Experiment, ...]:
    """Reads all experiments of a folder, in the order of their names.

    Raises:
        UserError: if there are none or one is invalid (names the file and the key).
    """
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise UserError(f"{folder}: no experiments here, which are YAML files")
    return tuple(map(_read, paths))


def chosen(experiments: tuple[Experiment, ...], names: tuple[str, ...]) -> tuple[Experiment, ...]:
    """Selects experiments by name, all if there are no names.

    Raises:
        UserError: for an unknown name.
    """
    known = {experiment.name: experiment for experiment in experiments}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"--only: no such experiment; there are {', '.join(known)}. Received: {unknown[0]}")
    return tuple(experiment for experiment in experiments if not names or experiment.name in names)


def _read(path: Path) -> Experiment:
    content = read_mapping(path)
    allowed = {"title": str, "cells": dict, "stages": list, "overrides": dict}
    for key, value in content.items():
        if key not in allowed:
            raise UserError(f"{path}: unknown key {key}; there are {', '.join(allowed)}")
        if not isinstance(value, allowed[key]):
            raise UserError(f"{path}: {key} must be a {allowed[key].__name__}. Received: {value!r:.100}")
    stages = tuple(content.get("stages", DOWNSTREAM))
    if unknown := [stage for stage in stages if stage not in stage_kinds()]:
        raise UserError(f"{path}: stages must be among {', '.join(stage_kinds())}. Received: {unknown[0]}")
    overrides = content.get("overrides", {})
    for section, values in overrides.items():
        if section not in sections() or not isinstance(values, dict):
            raise UserError(
                f"{path}: overrides are mappings of keys to values, by section ({', '.join(sections())}). "
                f"Received: {section}: {values!r:.60}"
            )
    return Experiment(path.stem, content.get("title", path.stem), content.get("cells", {}), stages, overrides)
