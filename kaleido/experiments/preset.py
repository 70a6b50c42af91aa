"""A preset: settings that all experiments share, among them the size of the data and the length of training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaleido.configuration import read_mapping
from kaleido.errors import UserError
from kaleido.experiments.kinds import sections
from kaleido.ready import find_config

CATALOG, ORIGINAL = "catalog", "original"


@dataclass(frozen=True, slots=True)
class Preset:
    """The content of a preset's file.

    Attributes:
        name: Name of the file.
        path: The file.
        title: Title for the report.
        kind: `catalog`, experiments on a catalogue of products; or `original`, the released model on the released
            files.
        seeds: Seeds of pre-training and fine-tuning.
        share_process: Whether all stages run in one process, which saves start-up time; otherwise each has its own,
            which frees all memory.
        keep_finetuned: Whether fine-tuned models are kept; their predictions and metrics always are.
        catalog: `path` of a catalogue, or `generate` with the options of `catalog generate`.
        sections: Settings of each subcommand, by section: `config`, a YAML file of that subcommand beside this one, and
            keys that override it.
        seconds: Estimated seconds by kind of stage: of a training step, or of the whole stage if it has none.
        files: Checkpoint, vocabulary and data of the kind `original`.
    """

    name: str
    path: Path
    title: str
    kind: str = CATALOG
    seeds: tuple[int, ...] = (0,)
    share_process: bool = False
    keep_finetuned: bool = False
    catalog: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


_TYPES: Mapping[str, tuple[type, str]] = {
    "title": (str, "text"),
    "kind": (str, f"{CATALOG} or {ORIGINAL}"),
    "seeds": (list, "a list of ints from 0 to 4294967295, each once"),
    "share_process": (bool, "true or false"),
    "keep_finetuned": (bool, "true or false"),
    "catalog": (dict, "a mapping with `path` or `generate`"),
    "seconds": (dict, "a mapping of stages to numbers"),
    "files": (dict, "a mapping of names to paths"),
}


def read_preset(name: str | Path) -> Preset:
    """Reads a preset.

    Args:
        name: A YAML file, or the name of one in `configs/presets`.

    Raises:
        UserError: naming the file and the key that cannot be used.
    """
    path = find_config(name, "presets")
    content = read_mapping(path)
    types = _TYPES | dict.fromkeys(sections(), (dict, "a mapping of keys to values"))
    for key, value in content.items():
        if key not in types:
            raise UserError(f"{path}: unknown key {key}; there are {', '.join(types)}")
        kind, wanted = types[key]
        if not isinstance(value, kind):
            raise UserError(f"{path}: {key} must be {wanted}. Received: {value!r:.100}")
    given = {key: value for key, value in content.items() if key in _TYPES}
    own = {key: value for key, value in content.items() if key not in _TYPES}
    preset = Preset(
        **{"title": path.stem, **given, "seeds": tuple(content.get("seeds", (0,)))},
        name=path.stem,
        path=path,
        sections=own,
    )
    _check(preset)
    return preset


def _check(preset: Preset) -> None:
    path, seeds, catalog = preset.path, preset.seeds, preset.catalog
    if preset.kind not in (CATALOG, ORIGINAL):
        raise UserError(f"{path}: kind must be {CATALOG} or {ORIGINAL}. Received: {preset.kind}")
    numbers = all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    if not seeds or not numbers or len(set(seeds)) < len(seeds):
        raise UserError(f"{path}: seeds must be {_TYPES['seeds'][1]}. Received: {list(seeds)!r:.100}")
    if preset.kind == CATALOG and (len(catalog) != 1 or next(iter(catalog)) not in ("path", "generate")):
        raise UserError(f"{path}: catalog needs either path or generate. Received: {', '.join(catalog) or 'nothing'}")
    for name, seconds in preset.seconds.items():
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise UserError(f"{path}: seconds.{name} must be a number. Received: {seconds!r:.100}")
