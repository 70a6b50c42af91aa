"""From a scale and its experiments to stages: which depends on which, and which are the same."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.experiments import kinds
from kaleido.experiments.experiment import Experiment
from kaleido.experiments.scale import Scale
from kaleido.experiments.stage import STAGES, Checksums, Command, Stage, resolve, settings_of, stage_key

WARDROBE = "wardrobe"
"""The folder of a generated catalogue, which becomes its name."""


@dataclass(frozen=True, slots=True)
class Run:
    """One experiment with one seed.

    Attributes:
        experiment: Which.
        seed: Of pre-training and fine-tuning.
        stages: By kind; those that a run with other overrides shares are the same.
    """

    experiment: Experiment
    seed: int
    stages: Mapping[str, Stage]


class Planner:
    """Makes stages; equal ones once.

    Args:
        scale: Whose settings.
        runs: Folder of the runs.

    Attributes:
        checksums: Of the files that settings name.
    """

    def __init__(self, scale: Scale, runs: Path):
        self.scale = scale
        self.checksums = Checksums()
        # Saved configurations hold these paths: the same however the folder is called.
        self.runs = Path(os.path.relpath(runs))
        self._stages: dict[str, Stage] = {}

    def plan(self, experiments: tuple[Experiment, ...], seeds: tuple[int, ...]) -> list[Run]:
        """All experiments with the first seed, then with the second, and so on.

        Raises:
            UserError: naming the file and the key that cannot be used.
        """
        return [self._run(experiment, seed) for seed in seeds for experiment in experiments]

    def config(self, section: str, *overrides: Mapping[str, Any]) -> Any:
        """The configuration of a section, the scale's own settings first."""
        shared = [self.scale.sections.get("finetune", {})] if section in kinds.FINETUNED else []
        own = self.scale.sections.get(section, {})
        return resolve(section, self.scale.path, [*shared, own, *overrides])

    def stage(
        self,
        kind: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, Stage | str],
        files: Mapping[str, str],
        make: Any,
        label: str,
        missing: str = "",
    ) -> Stage:
        """A stage, or the equal one that is there.

        Args:
            kind: One of `kinds.KINDS`.
            settings: That change the result.
            inputs: Stages, and fingerprints of data.
            files: Paths by key.
            make: Gives configurations by section, and commands, for a folder.
            label: Who wants it.
            missing: What somebody has to bring first.
        """
        sums = {key: self.checksums.of(path, key) for key, path in files.items()}
        absent = [f"{path}, named by {key}" for key, path in files.items() if sums[key] == "missing"]
        keys = {name: given.key if isinstance(given, Stage) else given for name, given in inputs.items()}
        key, about = stage_key(kind, settings, keys, sums)
        if key not in self._stages:
            folder = self.runs / STAGES / f"{kind}-{key}"
            configs, commands = make(folder)
            units, unit = _units(configs.get(kind))
            self._stages[key] = Stage(
                kind=kind,
                key=key,
                folder=folder,
                inputs=tuple(given for given in inputs.values() if isinstance(given, Stage)),
                commands=commands,
                results=kinds.results(kind, configs),
                units=units,
                unit=unit,
                label=label,
                missing=missing or ("no such file: " + "; ".join(absent) if absent else ""),
                about={**about, "named": dict(files)},
            )
        return self._stages[key]

    def _run(self, experiment: Experiment, seed: int) -> Run:
        label = f"{experiment.name}, seed {seed}"
        wanted = set(experiment.stages)
        stages = {"catalog": self._catalog()} if "generate" in self.scale.catalog else {}
        stages["records"] = self._records(experiment, stages.get("catalog"))
        if wanted <= {"catalog", "records"}:
            return Run(experiment, seed, stages)
        stages["pretrain"] = self._training("pretrain", experiment, seed, stages["records"], None, label)
        start = stages["pretrain"]
        if "matching" in self.scale.sections and wanted & {"matching", "retrieve"}:
            stages["matching"] = self._training("matching", experiment, seed, stages["records"], start, label)
        for task in ("category", "subcategory", "caption"):
            if task in wanted:
                stages[task] = self._training(task, experiment, seed, stages["records"], start, label)
        if "retrieve" in wanted:
            stages["retrieve"] = self._retrieve(experiment, stages, label)
        return Run(experiment, seed, stages)

    def _catalog(self) -> Stage:
        options = self.scale.catalog["generate"]
        if not isinstance(options, dict):
            raise UserError(f"{self.scale.path}: catalog.generate must be a mapping of options. Received: {options}")

        def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
            given = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
            return {}, (Command("catalog", ("generate", *given, f"--out={folder / WARDROBE}")),)

        return self.stage("catalog", options, {}, {}, make, "the catalogue")

    def _records(self, experiment: Experiment, catalog: Stage | None) -> Stage:
        prepare = self.config("prepare", experiment.overrides.get("prepare", {}))
        align = self.config("align", experiment.overrides.get("align", {}))
        path, missing = "", ""
        inputs: dict[str, Stage | str] = {}
        if catalog:
            path = str(catalog.folder / WARDROBE)
            inputs["catalog"] = catalog
        else:
            path = str(self.scale.catalog["path"])
            inputs["catalog"], missing = _fingerprint(path)
        (own, files), (aligned, _) = settings_of(prepare), settings_of(align)
        settings = {f"prepare.{key}": value for key, value in own.items()}
        settings |= {f"align.{key}": value for key, value in aligned.items()}

        def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
            records = str(folder / "records")
            first = replace(prepare, catalog=path, records=records)
            then = replace(align, catalog=path, records=records)
            return {"records": first}, (Command("prepare", config=first), Command("align", config=then))

        return self.stage("records", settings, inputs, files, make, f"records of {experiment.name}", missing)

    def _training(
        self, kind: str, experiment: Experiment, seed: int, records: Stage, start: Stage | None, label: str
    ) -> Stage:
        overrides = [experiment.overrides.get(kind, {})]
        if kind in kinds.FINETUNED:
            overrides = [experiment.overrides.get("finetune", {}), *overrides]
        config = replace(self.config(kind, *overrides), seed=seed)
        settings, files = settings_of(config)
        inputs = {"records": records} | ({"model": start} if start else {})

        def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
            places = {"records": str(records.folder / "records"), "output": str(folder / "run")}
            if start:
                places["model"] = str(start.folder / "run" / "model")
            placed = replace(config, **places)
            return {kind: placed}, (Command("pretrain" if kind == "pretrain" else "finetune", config=placed),)

        return self.stage(kind, settings, inputs, files, make, label)

    def _retrieve(self, experiment: Experiment, stages: Mapping[str, Stage], label: str) -> Stage:
        config = self.config("retrieve", experiment.overrides.get("retrieve", {}))
        records = stages["records"]
        model = stages.get("matching", stages["pretrain"])
        settings, files = settings_of(config)
        lists = self._lists(records, settings)

        def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
            placed = replace(
                config,
                records=str(records.folder / "records"),
                output=str(folder / "run"),
                model=str(model.folder / "run" / "model"),
                lists=str(lists) if config.protocol == "random100" else config.lists,
            )
            return {"retrieve": placed}, (Command("retrieve", config=placed),)

        return self.stage("retrieve", settings, {"records": records, "model": model}, files, make, label)

    def _lists(self, records: Stage, settings: Mapping[str, Any]) -> Path:
        """Where all experiments find the same candidates: records of other patches have the same products."""
        drawn = {key: value for key, value in settings.items() if key.startswith("candidates_config.")}
        kept = {key: records.about["settings"].get(f"prepare.prepare_config.{key}") for key in _SPLIT_KEYS}
        about = [records.about["inputs"]["catalog"], kept, settings["split"], drawn]
        key, _ = stage_key("retrieve", {"lists": json.dumps(about)}, {}, {})
        return self.runs / "candidates" / f"{settings['split']}-{key}.jsonl"


_SPLIT_KEYS = ("validation_fraction", "test_fraction", "seed", "on_error")


def _fingerprint(path: str) -> tuple[str, str]:
    """Of a catalogue that somebody imported, or what is wrong with it."""
    try:
        return Catalog.open(Path(path)).fingerprint, ""
    except UserError as error:
        return "missing", str(error)


def _units(config: Any) -> tuple[float, str]:
    train = getattr(config, "train_config", None)
    if train is None:
        return 1, "stage"
    return (train.steps, "step") if train.steps else (train.epochs, "epoch")
