"""Kinds of stages, and the sections of configuration files that set them up."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kaleido.alignment.config import AlignRun
from kaleido.app.config import PretrainConfig
from kaleido.app.registry import find_task, finetuning_tasks
from kaleido.app.run_folder import RUNTIME_KEYS
from kaleido.cluster import ClusterConfig
from kaleido.records.config import PrepareRun
from kaleido.retrieval.config import RetrieveConfig

MATCHING = "retrieval"
"""Task whose fine-tuned model, if there is one, is evaluated by the stage `retrieve`."""

PLACES = frozenset(("catalog", "records", "out", "model", "lists", "shortlist_model", "overwrite", "shard", "cluster"))
"""Keys that are paths; their content is an input of the stage instead."""

RUNTIME = frozenset(
    ("prepare_config.workers", *(f"cluster_config.{field.name}" for field in fields(ClusterConfig)), *RUNTIME_KEYS)
)
"""Keys that change no result."""

FILES = (
    "prepare_config.vocabulary",
    "prepare_config.backbone_weights",
    "prepare_config.saliency_weights",
    "model_config.initial_weights",
    "retrieval_config.two_tower_model",
)
"""Keys that may name files, whose content belongs to the stage's key."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a preset: the settings of one subcommand.

    Attributes:
        config: Configuration class of the subcommand.
        required: Keys without a default, with placeholders that the plan replaces.
    """

    config: type
    required: Mapping[str, str]


def sections() -> dict[str, Section]:
    """Returns the sections that a preset may have, by name.

    `finetune` holds the settings that all fine-tuned tasks share; each task has a section of its own name as well.
    """
    places = {"records": "-", "out": "-"}
    return {
        "prepare": Section(PrepareRun, {"catalog": "-", "out": "-"}),
        "align": Section(AlignRun, {"records": "-"}),
        "pretrain": Section(PretrainConfig, places),
        "finetune": _task_section("category"),
        **{task: _task_section(task) for task in finetuning_tasks()},
        "retrieve": Section(RetrieveConfig, {**places, "model": "-"}),
    }


def stage_kinds() -> tuple[str, ...]:
    """Lists the kinds of stages in the order of a run.

    `records` prepares and aligns; `import` converts the original's checkpoint; a fine-tuned task's kind is its name.
    """
    others = (task for task in finetuning_tasks() if task != MATCHING)
    return ("catalog", "import", "records", "pretrain", MATCHING, *others, "retrieve")


def is_task(kind: str) -> bool:
    """Tells whether stages of a kind fine-tune a task."""
    return kind in finetuning_tasks()


def task_modules(task: str) -> tuple[str, ...]:
    """Lists the modules that train a registered task, which no import statement names."""
    subcommand = "finetune" if is_task(task) else "pretrain"
    return f"kaleido.commands.{subcommand}", find_task(task).application.__module__


def task_results(task: str, config: Any) -> tuple[str, ...]:
    """Lists the files that a finished training of a registered task leaves in its stage's folder."""
    return tuple(f"run/{name}" for name in find_task(task).application.result_files(config))


def foreign_sections(task: str) -> frozenset[str]:
    """Lists the sections of a fine-tuning configuration that belong to other tasks."""
    every = {name for other in finetuning_tasks().values() for name in other.application.sections}
    return frozenset(every - find_task(task).application.sections.keys())


def _task_section(task: str) -> Section:
    return Section(find_task(task).application.config_class(), {"records": "-", "out": "-", "task": task})
