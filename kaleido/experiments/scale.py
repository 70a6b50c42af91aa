"""A scale: what all experiments have in common, how large their data is, and how long they train."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaleido.configuration import read_mapping
from kaleido.errors import UserError
from kaleido.experiments.kinds import SECTIONS

FOLDER = Path("configs") / "scales"
CHECKOUT = Path(__file__).parents[2]

CATALOG, ORIGINAL = "catalog", "original"


@dataclass(frozen=True, slots=True)
class Scale:
    """What a scale's file says.

    Attributes:
        name: Of the file.
        path: Of the file.
        title: What it is, for the report.
        kind: `catalog`, experiments on a catalogue of products; or `original`, the released model on the released
            files.
        seeds: Of pre-training and fine-tuning.
        share_process: Whether stages follow each other in one process, which saves its start-up; each has its own
            otherwise, which gives back all memory.
        keep_finetuned: Whether fine-tuned models stay; their predictions and figures always do.
        catalog: `path` of a catalogue, or `generate` with the options of `catalog generate`.
        sections: Settings of each verb, by section: `config`, a YAML file of that verb beside this one, and keys that
            win over it.
        seconds: About how long a stage of a kind takes: a training step, or the whole stage where there are none.
        files: Of `original`, its checkpoint, vocabulary and data.
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


_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "title": (str, "text"),
    "kind": (str, f"{CATALOG} or {ORIGINAL}"),
    "seeds": (list, "a list of ints from 0 to 4294967295, each once"),
    "share_process": (bool, "true or false"),
    "keep_finetuned": (bool, "true or false"),
    "catalog": (dict, "a mapping with `path` or `generate`"),
    "seconds": (dict, "a mapping of stages to numbers"),
    "files": (dict, "a mapping of names to paths"),
    **{section: (dict, "a mapping of keys to values") for section in SECTIONS},
}


def find_scale(name: str) -> Path:
    """The file of a scale: a path, or the name of one in `configs/scales`."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    places = [FOLDER, CHECKOUT / FOLDER]
    for place in places:
        if (path := place / f"{name}.yaml").is_file():
            return path
    known = sorted({path.stem for place in places for path in place.glob("*.yaml")})
    raise UserError(f"no such scale; there are {', '.join(known) or 'none'}, or name a YAML file. Received: {name}")


def read_scale(path: Path) -> Scale:
    """Reads a scale.

    Raises:
        UserError: naming the file and the key that cannot be used.
    """
    content = read_mapping(path)
    for key, value in content.items():
        if key not in _TYPES:
            raise UserError(f"{path}: unknown key {key}; there are {', '.join(_TYPES)}")
        kind, wanted = _TYPES[key]
        if not isinstance(value, kind):
            raise UserError(f"{path}: {key} must be {wanted}. Received: {value!r:.100}")
    _check(path, content)
    return Scale(
        name=path.stem,
        path=path,
        title=content.get("title", path.stem),
        kind=content.get("kind", CATALOG),
        seeds=tuple(content.get("seeds", (0,))),
        share_process=content.get("share_process", False),
        keep_finetuned=content.get("keep_finetuned", False),
        catalog=content.get("catalog", {}),
        sections={section: content[section] for section in SECTIONS if section in content},
        seconds=content.get("seconds", {}),
        files=content.get("files", {}),
    )


def _check(path: Path, content: Mapping[str, Any]) -> None:
    kind = content.get("kind", CATALOG)
    if kind not in (CATALOG, ORIGINAL):
        raise UserError(f"{path}: kind must be {CATALOG} or {ORIGINAL}. Received: {kind}")
    seeds = content.get("seeds", [0])
    numbers = all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    if not seeds or not numbers or len(set(seeds)) < len(seeds):
        raise UserError(f"{path}: seeds must be {_TYPES['seeds'][1]}. Received: {seeds!r:.100}")
    catalog = content.get("catalog", {})
    if kind == CATALOG and (len(catalog) != 1 or next(iter(catalog)) not in ("path", "generate")):
        raise UserError(f"{path}: catalog needs either path or generate. Received: {', '.join(catalog) or 'nothing'}")
    for name, seconds in content.get("seconds", {}).items():
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise UserError(f"{path}: seconds.{name} must be a number. Received: {seconds!r:.100}")
