"""Saves, shows and compares measurements of `kaleido bench`."""

import json
from collections.abc import Mapping
from pathlib import Path

from kaleido.atomic import write_atomically
from kaleido.errors import UserError

FORMAT = "kaleido benchmark 1"

UNITS = {
    "bytes": (1e-6, "MB"),
    "bytes_per_example": (1e-6, "MB"),
    "flop_per_example": (1e-9, "GFLOP"),
    "bytes_per_second": (1e-9, "GB/s"),
    "flop_per_second": (1e-9, "GFLOP/s"),
    "seconds": (1e3, "ms an example"),
    "ms": (1, "ms"),
    "examples_per_second": (1, "examples/s"),
    "share_of_floor": (100, "%"),
    "share_of_step": (100, "%"),
    "share_of_preparing": (100, "%"),
    "recall_at_10": (100, "%"),
    "share_of_matrix_rate": (100, "%"),
    "over_twin": (1, "times"),
}
"""Factor and unit of displayed values, by the suffix of their names."""

COMPARED = ("examples_per_second", "share_of_floor", "share_of_step", "peak_resident_bytes", "peak_device_bytes")


def save(path: Path, environment: Mapping, measurements: Mapping[str, Mapping]) -> None:
    """Writes measurements as JSON.

    Args:
        path: File to write.
        environment: The machine and its versions.
        measurements: Measurements by name, each `{"settings": {...}, "values": {...}}`.
    """
    result = {"format": FORMAT, "environment": environment, "measurements": measurements}
    write_atomically(path, json.dumps(result, indent=1).encode())


def load(path: Path) -> dict:
    """Reads a file that `save` wrote.

    Raises:
        UserError: if it cannot be read or is something else.
    """
    try:
        result = json.loads(path.read_bytes())
        if result["format"] != FORMAT or not isinstance(result["environment"], dict):
            raise ValueError
        for measurement in result["measurements"].values():
            measurement["settings"].items()
            values = measurement["values"]
            if not values["examples_per_second"] > 0 or min(values.get(name, 1) for name in COMPARED) < 0:
                raise ValueError
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a file that `bench --out` wrote") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{path}: not a result of this version; name a file that `bench --out` wrote") from None
    return result


def listing(name: str, measurement: Mapping[str, Mapping]) -> str:
    """Lists one measurement, a value a line."""
    lines = [f"{name} ({', '.join(f'{key} {value}' for key, value in measurement['settings'].items())})"]
    return "\n".join([*lines, *(f"  {key:<24} {_shown(key, value)}" for key, value in measurement["values"].items())])


def remark(found: str | Exception) -> str:
    """Writes a remark or an error as one line."""
    if isinstance(found, str):
        return found
    return f"failed: {' '.join(f'{type(found).__name__}: {found}'.split())}"


def comparison(before: Mapping, after: Mapping) -> str:
    """Makes a Markdown table of the values that two results share, and a line for each setting that differs."""
    rows = ["| | before | after | ratio |", "|---|---:|---:|---:|"]
    notes = _differences("environment", before["environment"], after["environment"])
    for name in before["measurements"] | after["measurements"]:
        pair = [result["measurements"].get(name) for result in (before, after)]
        if None in pair:
            notes.append(f"not comparable: {name} was measured only {'after' if pair[0] is None else 'before'}")
            continue
        notes += _differences(name, pair[0]["settings"], pair[1]["settings"])
        for key in COMPARED:
            old, new = (measurement["values"].get(key) for measurement in pair)
            if old and new:
                rows.append(f"| {name}: {key} | {_shown(key, old)} | {_shown(key, new)} | {new / old:.3f} |")
    return "\n".join(rows + notes)


def worst_loss(before: Mapping, after: Mapping) -> float:
    """Computes the largest decrease of a rate in percent; 0 if none fell."""
    losses = [0.0]
    for name in before["measurements"].keys() & after["measurements"].keys():
        old, new = (result["measurements"][name]["values"]["examples_per_second"] for result in (before, after))
        losses.append(100 * (1 - new / old))
    return max(losses)


def _differences(name: str, before: Mapping, after: Mapping) -> list[str]:
    return [
        f"not comparable: {name} differs in {key}: {before.get(key, 'none')} before, {after.get(key, 'none')} after"
        for key in before | after
        if before.get(key) != after.get(key)
    ]


def _shown(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    end = max((end for end in UNITS if key.endswith(end)), key=len)
    factor, unit = UNITS[end]
    return f"{value * factor:,.4g} {unit}" if abs(value * factor) < 1000 else f"{value * factor:,.0f} {unit}"
