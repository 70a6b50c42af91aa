"""Estimates how long the stages that are left will take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kaleido.experiments.ledger import measured_seconds
from kaleido.experiments.preset import Preset
from kaleido.experiments.stage import Stage


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds a unit of a kind of stage, and where they come from."""

    seconds: float
    source: str


class Estimate:
    """Estimates by finished stages of the same kind in the folder, else by the preset's file.

    Args:
        preset: Preset with its `seconds`.
        runs: Folder of the runs.
    """

    def __init__(self, preset: Preset, runs: Path):
        self._preset = preset
        self._measured = measured_seconds(runs)

    def rate(self, stage: Stage) -> Rate | None:
        """Finds the rate of the stage's kind; None where it is not known."""
        if found := self._measured.get((stage.kind, stage.unit)):
            seconds, count = found
            return Rate(seconds, f"{count} finished here")
        if (seconds := self._preset.seconds.get(stage.kind)) is not None:
            return Rate(seconds, str(self._preset.path))
        return None

    def seconds(self, stage: Stage) -> float | None:
        """Estimates the seconds of one stage; None where its rate is not known."""
        rate = self.rate(stage)
        return None if rate is None else rate.seconds * stage.units

    def table(self, stages: Iterable[Stage], done: Mapping[str, bool]) -> str:
        """Lists what is done and what is left, by kind.

        Args:
            stages: Stages, each once.
            done: Whether a stage is done, by its key.
        """
        by_kind: dict[str, list[Stage]] = {}
        for stage in stages:
            by_kind.setdefault(stage.kind, []).append(stage)
        lines = [f"{'stage':<12} {'all':>5} {'done':>5} {'to run':>7} {'about':>14}  by"]
        total, unknown = 0.0, []
        for kind, of_kind in by_kind.items():
            left = [stage for stage in of_kind if not done[stage.key]]
            times = [self.seconds(stage) for stage in left]
            rate = self.rate(of_kind[0])
            if None in times:
                unknown.append(kind)
            known = sum(seconds for seconds in times if seconds is not None)
            total += known
            about = "unknown" if None in times else duration(known) if left else ""
            lines.append(
                f"{kind:<12} {len(of_kind):>5} {len(of_kind) - len(left):>5} {len(left):>7} {about:>14}  "
                f"{rate.source if rate and left else ''}".rstrip()
            )
        more = f"; nothing is known of {', '.join(unknown)}" if unknown else ""
        return "\n".join([*lines, f"one after another about {duration(total)}{more}"])


def duration(seconds: float) -> str:
    """Writes a duration in words."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
