"""Configuration of `bench`."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from kaleido.configuration import POSITIONAL
from kaleido.errors import UserError
from kaleido.processors import cores
from kaleido.ranges import check_range

MEASUREMENTS = (
    "importing",
    "reading",
    "original",
    "saliency",
    "preparing",
    "embedding",
    "searching",
    "training",
    "twin",
    "loop",
    "retrieval",
    "captioning",
    "scaling",
)

STAGES = ("table", "import", "open", "plan", "prepare", "records", "index", "batch", "rank", "search")
"""Stages of `scaling`."""

ONLY_IF_NAMED = ("scaling",)
"""Measurements that are left out where none is named."""

PRESETS: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = MappingProxyType(
    {
        # What matters most first: what no longer fits into the time is left out.
        "gpu": {
            "training base": ("training", {"size": "base"}),
            "twin base": ("twin", {"size": "base"}),
            "training small": ("training", {"size": "small"}),
            "twin small": ("twin", {"size": "small"}),
            "loop": ("loop", {"size": "small"}),
            "preparing": ("preparing", {}),
            "reading": ("reading", {}),
            "retrieval base": ("retrieval", {"size": "base"}),
            "captioning base": ("captioning", {"size": "base"}),
        }
    }
)
"""Measurements of a preset in their order: label, name, and what differs from `PRESET_SETTINGS`."""

PRESET_SETTINGS = MappingProxyType({"precision": "mixed_bfloat16", "batch_size": 256, "steps": 200})
"""Settings of all measurements of a preset, on an accelerator."""

CPU_SETTINGS = MappingProxyType({"batch_size": 16, "steps": 10})
"""Settings that replace those of a preset on a processor, so that a step takes seconds."""

PRESET_SECONDS, PRESET_LIMIT, CPU_LIMIT = 5.0, 240.0, 900.0
"""Seconds of a preset: of each measurement, and of all of them on an accelerator and on a processor."""


@dataclass(frozen=True)
class BenchConfig:
    """Configuration of measurements of speed.

    Args:
        what: Measurements to run: importing, reading, original, saliency, preparing, embedding, searching, training,
            twin (the training step in PyTorch), loop, retrieval, captioning, all if none is given; or scaling.
        preset: Named set of measurements with settings of their own. `gpu`: training and its twin with the base and the
            small model, the loop with the small one, preparing, reading, and retrieval (with embedding and
            classification) and captioning with the base model, in mixed_bfloat16 and batches of 256 (without an
            accelerator of 16); the twin where PyTorch is installed. Of the other options only seconds, limit, workers
            and out go with it.
        seconds: Time for each measurement but `loop`, start-up and compilation left out; null is 10, with a preset 5.
        steps: Steps of `loop`, as many as of the bare step beside it.
        records: Folder of photo records that `loop` trains on; null for random ones.
        rows: Rows of the table of `importing`, products of the index of `searching`, and products of `scaling`.
        stages: Stages of `scaling`, each measured with its time, peak of memory and disk: table (writing a CSV),
            import, open, plan (of a preparation), prepare, records (writing random ones), index, batch, rank (all texts
            for all photos, quadratic), search (making an index); all if none is given.
        limit: Time for all measurements together, in seconds; what is not done by then is left out. Null is no limit,
            with a preset 240 on an accelerator and 900 on a processor.
        workers: Number of threads; one per CPU core if null.
        batch_size: Examples of a batch.
        feature_size: Length of a patch feature.
        backbone: Backbone of `preparing` and `embedding`.
        size: Size of the model of `training`, `twin`, `loop`, `retrieval` and `captioning`.
        precision: Precision of `training`, `twin`, `loop`, `retrieval` and `captioning`.
        jit_compile: Whether to train with XLA.
        out: JSON file to write the metrics to.
        compare: Two such files, BEFORE and AFTER, to show beside each other; nothing is measured.
        tolerance: Largest decrease of a rate in percent; with `compare`, the exit code is 1 if one fell by more.
    """

    what: tuple[str, ...] = field(default=(), metadata=POSITIONAL)
    preset: Literal["gpu"] | None = None
    seconds: float | None = None
    steps: int = 100
    records: str | None = None
    rows: int = 100_000
    stages: tuple[str, ...] = ()
    limit: float | None = None
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
        check_range(self, "(0, inf)", "seconds", "limit")
        check_range(self, "[1, 1_000_000]", "workers", "batch_size", "feature_size", "steps")
        check_range(self, "[1, 10_000_000]", "rows")
        check_range(self, "[0, 100]", "tolerance")
        if unknown := sorted(set(self.what) - set(MEASUREMENTS)):
            raise UserError(f"bench measures {', '.join(MEASUREMENTS)}. Received: {', '.join(unknown)}")
        if unknown := sorted(set(self.stages) - set(STAGES)):
            raise UserError(f"stages of scaling are {', '.join(STAGES)}. Received: {', '.join(unknown)}")
        if self.stages and "scaling" not in self.what:
            raise UserError(f"stages are those of scaling; write `kaleido bench scaling`. Received: {list(self.what)}")
        if self.compare and len(self.compare) != 2:
            raise UserError(f"compare takes two files, BEFORE and AFTER. Received: {len(self.compare)}")
        if self.preset and (changed := self._changed({"preset", "seconds", "limit", "workers", "out"})):
            raise UserError(f"a preset has its own settings; leave these out, or the preset. Received: {changed}")
        if self.workers is None:
            object.__setattr__(self, "workers", cores())
        if self.seconds is None:
            object.__setattr__(self, "seconds", PRESET_SECONDS if self.preset else 10.0)

    def _changed(self, free: set[str]) -> str:
        """Lists the options outside of `free` that differ from their defaults."""
        defaults = {
            one.name: one.default if one.default_factory is MISSING else one.default_factory() for one in fields(self)
        }
        return ", ".join(name for name in defaults if name not in free and getattr(self, name) != defaults[name])
