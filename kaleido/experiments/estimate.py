"""Estimates how long the stages that are left will take."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from kaleido.experiments.ledger import measured_seconds
from kaleido.experiments.preset import Preset
from kaleido.experiments.stage import Stage


def estimate_table(preset: Preset, runs: Path, stages: Iterable[Stage], done: Mapping[str, bool]) -> str:
    """Lists finished and remaining stages by kind, with the estimated time.

    Seconds come from finished stages of the same kind in the folder, else from the preset's file.

    Args:
        preset: Preset with its `seconds`.
        runs: Folder of the runs.
        stages: Stages, each once.
        done: Whether a stage is done, by its key.
    """
    measured = measured_seconds(runs)
    by_kind: dict[str, list[Stage]] = {}
    for stage in stages:
        by_kind.setdefault(stage.kind, []).append(stage)
    lines = [f"{'stage':<12} {'all':>5} {'done':>5} {'to run':>7} {'about':>14}  by"]
    total, unknown = 0.0, []
    for kind, of_kind in by_kind.items():
        left = [stage for stage in of_kind if not done[stage.key]]
        rate, count = measured.get((kind, of_kind[0].unit), (preset.seconds.get(kind), 0))
        about = source = ""
        if left and rate is None:
            unknown.append(kind)
            about = "unknown"
        elif left:
            seconds = rate * sum(stage.units for stage in left)
            total += seconds
            about, source = duration(seconds), f"{count} finished here" if count else str(preset.path)
        counts = f"{len(of_kind):>5} {len(of_kind) - len(left):>5} {len(left):>7}"
        lines.append(f"{kind:<12} {counts} {about:>14}  {source}".rstrip())
    more = f"; nothing is known of {', '.join(unknown)}" if unknown else ""
    return "\n".join([*lines, f"one after another about {duration(total)}{more}"])


def duration(seconds: float) -> str:
    """Writes a duration in words."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
