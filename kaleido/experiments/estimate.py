"""How long the stages that are left will take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kaleido.experiments.ledger import measured_seconds
from kaleido.experiments.scale import Scale
from kaleido.experiments.stage import Stage


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds a unit of a kind of stage, and who says so."""

    seconds: float
    source: str


class Estimate:
    """Seconds of stages, by finished ones of the same kind in the folder, else by the scale's file.

    Args:
        scale: With its `seconds`.
        runs: Folder of the runs.
    """

    def __init__(self, scale: Scale, runs: Path):
        self._scale = scale
        self._measured = measured_seconds(runs)

    def rate(self, stage: Stage) -> Rate | None:
        """Of the stage's kind; None where nobody knows."""
        if found := self._measured.get((stage.kind, stage.unit)):
            seconds, count = found
            return Rate(seconds, f"{count} finished here")
        if (seconds := self._scale.seconds.get(stage.kind)) is not None:
            return Rate(seconds, str(self._scale.path))
        return None

    def seconds(self, stage: Stage) -> float | None:
        """Of one stage; None where nobody knows."""
        rate = self.rate(stage)
        return None if rate is None else rate.seconds * stage.units

    def table(self, stages: Iterable[Stage], done: Mapping[str, bool]) -> str:
        """What is done and what is left, by kind.

        Args:
            stages: Each once.
            done: By the stage's key.
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
    """In words."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"
