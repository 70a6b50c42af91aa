"""Configuration of `experiments`."""

from dataclasses import dataclass, field

from kaleido.cluster import ClusterOptions
from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range


@dataclass(frozen=True)
class ExperimentsConfig(ClusterOptions):
    """Configuration of the experiments to run.

    Args:
        preset: Name of a preset (smoke, small, small_cpu, paper, original), or a YAML file.
        out: Folder of the runs.
        dry_run: Whether to list the runs and their estimated time without running them.
        shard: Share of the runs for this process, written i/n: every n-th run; other processes take the others.
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
        super().__post_init__()
        self.refuse_with_cluster("shard")
        check_range(self, "[1, inf)", "seeds")
