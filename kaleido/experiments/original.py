"""The released model on the released files, in the original's own way (`docs/original.md`)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kaleido.errors import UserError
from kaleido.experiments.experiment import Experiment
from kaleido.experiments.plan import Planner, Run
from kaleido.experiments.stage import Command, Stage, settings_of
from kaleido.original.text_files import TextFiles
from kaleido.retrieval.config import DIRECTIONS

NEEDED = ("checkpoint", "vocabulary")
RECOGNITION = ("train", "validation")
TASKS = ("category", "subcategory")
KNOWN = (*NEEDED, *DIRECTIONS, *RECOGNITION, "num_heads")

NAME = "released_model"
CELLS = {"table2": "Kaleido-BERT", "table3": "Kaleido-BERT"}


def plan_original(planner: Planner) -> list[Run]:
    """One run: the checkpoint scored on the retrieval files as it is, and fine-tuned on those for recognition.

    Raises:
        UserError: if the scale's `files` lack something or name something else.
    """
    scale = planner.scale
    if unknown := [name for name in scale.files if name not in KNOWN]:
        raise UserError(f"{scale.path}: unknown key files.{unknown[0]}; there are {', '.join(KNOWN)}")
    if absent := [name for name in NEEDED if name not in scale.files]:
        raise UserError(f"{scale.path}: files.{absent[0]} is missing; name the original's {absent[0]}")
    seed = scale.seeds[0]
    stages = {"import": _import(planner)}
    for direction in DIRECTIONS:
        if direction in scale.files:
            records = _records(planner, direction, {"train": scale.files[direction]})
            stages[f"records_{direction}"] = records
            stages[f"retrieve_{direction}"] = _retrieve(planner, direction, records, stages["import"])
    if all(name in scale.files for name in RECOGNITION):
        records = _records(planner, "recognition", {name: scale.files[name] for name in RECOGNITION})
        stages["records_recognition"] = records
        for task in TASKS:
            stages[task] = _finetune(planner, task, seed, records, stages["import"])
    expected = tuple(name for name in stages if not name.startswith(("records", "import")))
    experiment = Experiment(NAME, "the released model", CELLS, expected, {})
    return [Run(experiment, seed, stages)]


def _import(planner: Planner) -> Stage:
    files = planner.scale.files
    checkpoint, vocabulary = str(files["checkpoint"]), str(files["vocabulary"])
    heads = files.get("num_heads")
    inputs = {name: f"{checkpoint}{name}" for name in (".index", ".data-00000-of-00001")}
    if (beside := Path(checkpoint).with_name("config.json")).is_file():
        inputs["config.json"] = str(beside)
    inputs["vocabulary"] = vocabulary

    def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
        arguments = ["import-original", checkpoint, str(folder / "model"), "--vocabulary", vocabulary]
        arguments += ["--num-heads", str(heads)] if heads else []
        return {}, (Command("weights", tuple(arguments)),)

    return planner.stage("import", {"num_heads": heads}, {}, inputs, make, "the released checkpoint")


def _records(planner: Planner, name: str, sources: Mapping[str, str]) -> Stage:
    vocabulary, inputs, missing = str(planner.scale.files["vocabulary"]), {}, ""
    for split, source in sources.items():
        try:
            inputs[split] = TextFiles.find(str(source)).fingerprint
        except UserError as error:
            inputs[split], missing = "missing", str(error)

    def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
        arguments = ["--from-original", str(sources["train"]), str(folder / "records"), "--vocabulary", vocabulary]
        if "validation" in sources:
            arguments += ["--validation", str(sources["validation"])]
        return {}, (Command("prepare", tuple(arguments)),)

    label = f"the original's {name} files"
    return planner.stage("records", {}, inputs, {"vocabulary": vocabulary}, make, label, missing)


def _retrieve(planner: Planner, direction: str, records: Stage, model: Stage) -> Stage:
    config = planner.config("retrieve", {"protocol": "fixed", "direction": direction, "split": "train"})
    return _asked(planner, "retrieve", "retrieve", config, records, model, direction)


def _finetune(planner: Planner, task: str, seed: int, records: Stage, model: Stage) -> Stage:
    return _asked(planner, task, "finetune", replace(planner.config(task), seed=seed), records, model, task)


def _asked(planner: Planner, kind: str, verb: str, config: Any, records: Stage, model: Stage, what: str) -> Stage:
    """A verb on the checkpoint and some of its files."""
    settings, files = settings_of(config)

    def make(folder: Path) -> tuple[dict, tuple[Command, ...]]:
        placed = replace(
            config,
            records=str(records.folder / "records"),
            output=str(folder / "run"),
            model=str(model.folder / "model"),
        )
        return {kind: placed}, (Command(verb, config=placed),)

    inputs = {"records": records, "model": model}
    return planner.stage(kind, settings, inputs, files, make, f"the released model, {what}")
