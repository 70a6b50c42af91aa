"""The configuration of `experiments`."""

from dataclasses import dataclass, field

from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range


@dataclass(frozen=True)
class ExperimentsConfig:
    """Experiments to run.

    Args:
        preset: Name of a preset (smoke, small, small_cpu, paper, original), or a YAML file.
        out: Folder of the runs.
        dry_run: List what would run and about how long, and do nothing.
        shard: Run only every n-th run, written i/n, beside other processes on the same folder.
        only: Names of experiments; all if none is given.
        seeds: Number of the preset's seeds to run; all if null.
        experiments: Folder of the experiments' files; those that come with the package if null.
    """

    preset: str = field(metadata=POSITIONAL)
    out: str
    dry_run: bool = False
    shard: str | None = None
    only: tuple[str, ...] = ()
    seeds: int | None = None
    experiments: str | None = None

    def __post_init__(self):
        check_range(self, "[1, inf)", "seeds")
