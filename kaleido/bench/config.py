"""Configuration of `bench`."""

import os
from dataclasses import dataclass, field
from typing import Literal

from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError
from kaleido.ranges import check_range

MEASUREMENTS = (
    "importing",
    "reading",
    "original",
    "saliency",
    "preparing",
    "training",
    "loop",
    "retrieval",
    "captioning",
)


@dataclass(frozen=True)
class BenchConfig:
    """Configuration of measurements of speed.

    Args:
        what: Measurements to run: importing, reading, original, saliency, preparing, training, loop, retrieval,
            captioning; all if none is given.
        seconds: Time for each measurement but `loop`.
        steps: Steps of `loop`, as many as of the bare step beside it.
        rows: Rows of the table of `importing`.
        workers: Number of threads; one per CPU core if null.
        batch_size: Examples of a batch.
        feature_size: Length of a patch feature.
        backbone: Backbone of `preparing`.
        size: Size of the model of `training`, `loop`, `retrieval` and `captioning`.
        precision: Precision of `training`, `loop`, `retrieval` and `captioning`.
        jit_compile: Whether to train with XLA.
        out: JSON file to write the metrics to.
        compare: Two such files, BEFORE and AFTER, to show beside each other; nothing is measured.
        tolerance: Largest decrease of a rate in percent; with `compare`, the exit code is 1 if one fell by more.
    """

    what: tuple[str, ...] = field(default=(), metadata=POSITIONAL)
    seconds: float = 10.0
    steps: int = 100
    rows: int = 100_000
    workers: int | None = None
    batch_size: int = 64
    feature_size: int = 2048
    backbone: str = "efficientnet_lite0"
    size: Literal["tiny", "small", "base"] = "tiny"
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    jit_compile: bool = False
    out: str | None = None
    compare: tuple[str, ...] = ()
    tolerance: float | None = None

    def __post_init__(self):
        check_range(self, "(0, inf)", "seconds")
        check_range(self, "[1, 1_000_000]", "workers", "batch_size", "feature_size", "steps")
        check_range(self, "[1, 10_000_000]", "rows")
        check_range(self, "[0, 100]", "tolerance")
        if unknown := sorted(set(self.what) - set(MEASUREMENTS)):
            raise UserError(f"bench measures {', '.join(MEASUREMENTS)}. Received: {', '.join(unknown)}")
        if self.compare and len(self.compare) != 2:
            raise UserError(f"compare takes two files, BEFORE and AFTER. Received: {len(self.compare)}")
        if self.workers is None:
            object.__setattr__(self, "workers", os.cpu_count() or 1)
