"""Plans the stages of a preset's experiments with their dependencies; equal stages are shared."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.experiments import kinds
from kaleido.experiments.experiment import Experiment
from kaleido.experiments.preset import Preset
from kaleido.experiments.stage import STAGES, Checksums, Command, Stage, resolve, settings_of, stage_key

WARDROBE = "wardrobe"
"""Folder of a generated catalogue, and its name."""


@dataclass(frozen=True, slots=True)
class Run:
    """One experiment with one seed.

    Attributes:
        experiment: The experiment.
        seed: Seed of pre-training and fine-tuning.
        stages: Its stages by kind; the original's have `KIND/FILES` where there are several of a kind. Stages that are
            equal in several runs are the same object.
    """

    experiment: Experiment
    seed: int
    stages: Mapping[str, Stage]


class Planner:
    """Makes stages, equal ones only once.

    Args:
        preset: Preset with the settings.
        runs: Folder of the runs.

    Attributes:
        checksums: Checksums of the files that settings name.
    """

    def __init__(self, preset: Preset, runs: Path):
        self.preset = preset
        self.checksums = Checksums()
        # Saved configurations hold these paths, which must not depend on how the folder was named.
        self.runs = Path(os.path.relpath(runs))
        self._stages: dict[str, Stage] = {}

    def plan(self, experiments: tuple[Experiment, ...], seeds: tuple[int, ...]) -> list[Run]:
        """Plans all experiments with the first seed, then with the second, and so on.

        Raises:
            UserError: naming the file and the key that cannot be used.
        """
        return [self._run(experiment, seed) for seed in seeds for experiment in experiments]

    def config(self, section: str, *overrides: Mapping[str, Any]) -> Any:
        """Builds the configuration of a section, the preset's own settings first."""
        shared = [self.preset.sections.get("finetune", {})] if kinds.is_task(section) else []
        own = self.preset.sections.get(section, {})
        return resolve(section, self.preset.path, [*shared, own, *overrides])

    def stage(
        self,
        kind: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, Stage | str],
        files: Mapping[str, str],
        modules: tuple[str, ...],
        make: Callable[[Path], tuple[tuple[Command, ...], tuple[str, ...]]],
        label: str,
        length: tuple[float, str] = (1, "stage"),
        missing: str = "",
    ) -> Stage:
        """Makes a stage, or finds the equal one that is there.

        Args:
            kind: Kind of the stage.
            settings: Settings that change the result.
            inputs: Stages, and fingerprints of data.
            files: Paths by key.
            modules: Names of the modules that it runs.
            make: Function that returns commands and results for a folder.
            label: First experiment that needs it, and its seed.
            length: Number of units, and the unit.
            missing: Description of missing data; empty if there are none.
        """
        sums = {key: self.checksums.of(path, key) for key, path in files.items()}
        absent = [f"{path}, named by {key}" for key, path in files.items() if sums[key] == "missing"]
        keys = {name: given.key if isinstance(given, Stage) else given for name, given in inputs.items()}
        key, about = stage_key(kind, settings, keys, sums, modules)
        if key not in self._stages:
            folder = self.runs / STAGES / f"{kind}-{key}"
            commands, results = make(folder)
            self._stages[key] = Stage(
                kind=kind,
                key=key,
                folder=folder,
                inputs=tuple(given for given in inputs.values() if isinstance(given, Stage)),
                commands=commands,
                results=results,
                units=length[0],
                unit=length[1],
                label=label,
                missing=missing or ("no such file: " + "; ".join(absent) if absent else ""),
                about={**about, "named": dict(files)},
            )
        return self._stages[key]

    def training(
        self, kind: str, config: Any, records: Stage, model: tuple[Stage, str] | None, label: str, *modules: str
    ) -> Stage:
        """Makes a stage that trains a task.

        Args:
            kind: `pretrain`, or the name of the task.
            config: Configuration of the training.
            records: Stage of the records.
            model: Stage of the model to start from, and the model's folder within it.
            label: First experiment that needs it, and its seed.
            modules: Names of further modules that it runs.
        """
        settings, files = settings_of(config)
        inputs = {"records": records} | ({"model": model[0]} if model else {})

        def make(folder: Path) -> tuple[tuple[Command, ...], tuple[str, ...]]:
            places = {"records": str(records.folder / "records"), "out": str(folder / "run")}
            if model:
                places["model"] = str(model[0].folder / model[1])
            if kinds.is_task(kind):
                places["catalog"] = _catalog_of(records)
            placed = replace(config, **places)
            subcommand = "finetune" if kinds.is_task(kind) else "pretrain"
            return (Command(subcommand, config=placed),), kinds.task_results(config.task, placed)

        train = config.train_config
        length = (train.steps, "step") if train.steps else (train.epochs, "epoch")
        modules = (*kinds.task_modules(config.task), *modules)
        return self.stage(kind, settings, inputs, files, modules, make, label, length)

    def retrieval(
        self, config: Any, records: Stage, model: tuple[Stage, str], task: str, label: str, *modules: str
    ) -> Stage:
        """Makes a stage that evaluates retrieval by a saved model of a task; see `training`."""
        settings, files = settings_of(config)

        def make(folder: Path) -> tuple[tuple[Command, ...], tuple[str, ...]]:
            placed = replace(
                config,
                records=str(records.folder / "records"),
                out=str(folder / "run"),
                model=str(model[0].folder / model[1]),
                catalog=_catalog_of(records),
                lists=str(self._lists(records, settings)) if config.protocol == "random100" else config.lists,
            )
            name = f"run/retrieval-{config.protocol}-{config.split}"
            return (Command("retrieve", config=placed),), (f"{name}.json", f"{name}-scores.npz")

        inputs = {"records": records, "model": model[0]}
        modules = ("kaleido.commands.retrieve", kinds.task_modules(task)[1], *modules)
        return self.stage("retrieve", settings, inputs, files, modules, make, label)

    def _run(self, experiment: Experiment, seed: int) -> Run:
        label = f"{experiment.name}, seed {seed}"
        wanted = set(experiment.stages)
        stages = {"catalog": self._catalog()} if "generate" in self.preset.catalog else {}
        records = stages["records"] = self._records(experiment, stages.get("catalog"))
        if wanted <= {"catalog", "records"}:
            return Run(experiment, seed, stages)

        def train(kind: str, model: tuple[Stage, str] | None) -> Stage:
            names = ("finetune", kind) if kinds.is_task(kind) else (kind,)
            config = self.config(kind, *(experiment.overrides.get(name, {}) for name in names))
            return self.training(kind, replace(config, seed=seed), records, model, label)

        stages["pretrain"] = train("pretrain", None)
        start = stages["pretrain"], "run/model"
        if kinds.MATCHING in self.preset.sections and "retrieve" in wanted:
            wanted.add(kinds.MATCHING)
        for kind in kinds.stage_kinds():
            if kind in wanted and kinds.is_task(kind):
                stages[kind] = train(kind, start)
        if "retrieve" in wanted:
            config = self.config("retrieve", experiment.overrides.get("retrieve", {}))
            if kinds.MATCHING in stages:
                model, task = (stages[kinds.MATCHING], "run/model"), kinds.MATCHING
            else:
                model, task = start, "pretraining"
            stages["retrieve"] = self.retrieval(config, records, model, task, label)
        return Run(experiment, seed, stages)

    def _catalog(self) -> Stage:
        options = self.preset.catalog["generate"]
        if not isinstance(options, dict):
            raise UserError(f"{self.preset.path}: catalog.generate must be a mapping of options. Received: {options}")

        def make(folder: Path) -> tuple[tuple[Command, ...], tuple[str, ...]]:
            given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
            command = Command("catalog", ("generate", *given, f"--out={folder / WARDROBE}"))
            return (command,), (f"{WARDROBE}/catalog.json", f"{WARDROBE}/products.jsonl")

        return self.stage("catalog", options, {}, {}, ("kaleido.commands.catalog",), make, "the catalogue")

    def _records(self, experiment: Experiment, catalog: Stage | None) -> Stage:
        prepare = self.config("prepare", experiment.overrides.get("prepare", {}))
        align = self.config("align", experiment.overrides.get("align", {}))
        given: Stage | str
        given, missing = (catalog, "") if catalog else _fingerprint(str(self.preset.catalog["path"]))
        path = str(catalog.folder / WARDROBE) if catalog else str(self.preset.catalog["path"])
        (own, files), (aligned, _) = settings_of(prepare), settings_of(align)
        settings = {f"prepare.{key}": value for key, value in own.items()}
        settings |= {f"align.{key}": value for key, value in aligned.items()}

        def make(folder: Path) -> tuple[tuple[Command, ...], tuple[str, ...]]:
            records = str(folder / "records")
            first = replace(prepare, catalog=path, out=records)
            then = replace(align, catalog=path, records=records)
            commands = Command("prepare", config=first), Command("align", config=then)
            return commands, ("records/dataset_info.json",)

        modules = ("kaleido.commands.prepare", "kaleido.commands.align")
        label = f"records of {experiment.name}"
        return self.stage("records", settings, {"catalog": given}, files, modules, make, label, missing=missing)

    def _lists(self, records: Stage, settings: Mapping[str, Any]) -> Path:
        """Names the file of candidate lists that all experiments on the same products share, whatever their patches."""
        drawn = {key: value for key, value in settings.items() if key.startswith("candidates_config.")}
        kept = {key: records.about["settings"].get(f"prepare.prepare_config.{key}") for key in _SPLIT_KEYS}
        about = [records.about["inputs"]["catalog"], kept, settings["split"], drawn]
        modules = ("kaleido.retrieval.candidates",)
        key, _ = stage_key("retrieve", {"lists": json.dumps(about)}, {}, {}, modules)
        return self.runs / "candidates" / f"{settings['split']}-{key}.jsonl"


_SPLIT_KEYS = ("validation_fraction", "test_fraction", "seed", "on_error")


def _catalog_of(records: Stage) -> str | None:
    """Names the catalogue of some records, which are in another folder; the original's have none."""
    return getattr(records.commands[0].config, "catalog", None)


def _fingerprint(path: str) -> tuple[str, str]:
    """Returns the fingerprint of an imported catalogue and an empty text, or `missing` and the reason."""
    try:
        return Catalog.open(Path(path)).fingerprint, ""
    except UserError as error:
        return "missing", str(error)
