"""The kinds of stages: the typed configuration of each, the code that it runs, and what it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kaleido.alignment.config import AlignRun
from kaleido.app.config import PretrainConfig
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.registry import FINETUNING_TASKS
from kaleido.app.run_folder import RUNTIME_KEYS
from kaleido.records.config import PrepareRun
from kaleido.retrieval.config import RetrieveConfig


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a scale's file: the settings of one verb.

    Attributes:
        config: The verb's configuration.
        required: Keys that it needs and the plan fills in, with stand-ins until then.
    """

    config: type
    required: Mapping[str, str]


_FINETUNE = {"records": "-", "output": "-"}
SECTIONS: Mapping[str, Section] = {
    "prepare": Section(PrepareRun, {"catalog": "-", "records": "-"}),
    "align": Section(AlignRun, {"records": "-"}),
    "pretrain": Section(PretrainConfig, {"records": "-", "output": "-"}),
    "finetune": Section(FinetuneConfig, {**_FINETUNE, "task": "category"}),
    "category": Section(FinetuneConfig, {**_FINETUNE, "task": "category"}),
    "subcategory": Section(FinetuneConfig, {**_FINETUNE, "task": "subcategory"}),
    "caption": Section(FinetuneConfig, {**_FINETUNE, "task": "caption"}),
    "matching": Section(FinetuneConfig, {**_FINETUNE, "task": "retrieval"}),
    "retrieve": Section(RetrieveConfig, {"records": "-", "output": "-", "model": "-"}),
}
"""`finetune` holds what category, subcategory, caption and matching have in common."""

FINETUNED = ("category", "subcategory", "caption", "matching")


def _finetuning(task: str) -> tuple[str, ...]:
    named = FINETUNING_TASKS[task]
    return "kaleido.commands.finetune", *(name.rpartition(".")[0] for name in (named.application, named.report))


KINDS = ("catalog", "import", "records", "pretrain", "matching", "category", "subcategory", "caption", "retrieve")
"""Of stages, in the order of the road. `records` prepares and aligns; `import` takes the original's checkpoint."""

MODULES: Mapping[str, tuple[str, ...]] = {
    "catalog": ("kaleido.commands.catalog",),
    "import": ("kaleido.commands.weights",),
    "records": ("kaleido.commands.prepare", "kaleido.commands.align"),
    "pretrain": ("kaleido.commands.pretrain",),
    "retrieve": ("kaleido.commands.retrieve",),
    **{kind: _finetuning(SECTIONS[kind].required["task"]) for kind in FINETUNED},
}
"""What a stage of a kind runs: its verb, and what that imports by a computed name."""

PLACES = frozenset(("catalog", "records", "output", "model", "lists", "shortlist_model", "overwrite", "shard"))
"""Keys that say where something lies; what lies there counts as an input instead."""

RUNTIME = frozenset(("prepare_config.workers", *RUNTIME_KEYS))
"""Keys that change no result."""

FILES = (
    "prepare_config.vocabulary",
    "prepare_config.backbone_weights",
    "prepare_config.saliency_weights",
    "model_config.initial_weights",
    "retrieval_config.towers",
)
"""Keys that may name files, whose content counts."""


def results(kind: str, configs: Mapping[str, Any]) -> tuple[str, ...]:
    """The files, within a stage's folder, without which it is not done.

    Args:
        kind: Of the stage.
        configs: Of its commands, by section.
    """
    match kind:
        case "catalog":
            return ("wardrobe/catalog.json", "wardrobe/products.jsonl")
        case "import":
            return ("model/config.json",)
        case "records":
            return ("records/dataset_info.json",)
        case "pretrain":
            return ("run/metrics.jsonl", "run/metrics.json", "run/model/config.json")
        case "matching":
            return ("run/metrics.json", "run/model/config.json")
        case "category" | "subcategory":
            split = configs[kind].evaluate_config.split
            return (f"run/recognition-{split}.json", f"run/predictions-{split}.csv")
        case "caption":
            split = configs[kind].evaluate_config.split
            return (f"run/captions-{split}.json", f"run/captions-{split}.jsonl")
        case "retrieve":
            name = f"retrieval-{configs[kind].protocol}-{configs[kind].split}"
            return (f"run/{name}.json", f"run/{name}-scores.npz")
    raise ValueError(kind)
