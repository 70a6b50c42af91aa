"""Plans the released model on the released files, in the original's own way (`docs/original.md`)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kaleido.errors import UserError
from kaleido.experiments.experiment import Experiment
from kaleido.experiments.plan import Planner, Run
from kaleido.experiments.stage import Command, Stage
from kaleido.original.config import PrepareOriginal
from kaleido.original.text_files import TextFiles
from kaleido.retrieval.config import DIRECTIONS

NEEDED = ("checkpoint", "vocabulary")
RECOGNITION = ("train", "validation")
TASKS = ("category", "subcategory")
KNOWN = (*NEEDED, *DIRECTIONS, *RECOGNITION, "num_heads")

NAME = "released_model"
CELLS = {"table2": "Kaleido-BERT", "table3": "Kaleido-BERT"}

_READER = "kaleido.original.pipeline"


def plan_original(planner: Planner) -> list[Run]:
    """Plans one run: the checkpoint is evaluated on the retrieval files, and fine-tuned on those for recognition.

    Raises:
        UserError: if the preset's `files` lack something or name something else.
    """
    preset = planner.preset
    if unknown := [name for name in preset.files if name not in KNOWN]:
        raise UserError(f"{preset.path}: unknown key files.{unknown[0]}; there are {', '.join(KNOWN)}")
    if absent := [name for name in NEEDED if name not in preset.files]:
        raise UserError(f"{preset.path}: files.{absent[0]} is missing; name the original's {absent[0]}")
    seed = preset.seeds[0]
    stages = {"import": _import(planner)}
    model = stages["import"], "model"
    for direction in DIRECTIONS:
        if direction in preset.files:
            records = _records(planner, direction, {"train": preset.files[direction]})
            config = planner.config("retrieve", {"protocol": "fixed", "direction": direction, "split": "train"})
            label = f"the released model, {direction}"
            stages[f"records/{direction}"] = records
            stages[f"retrieve/{direction}"] = planner.retrieval(config, records, model, "pretraining", label, _READER)
    if all(name in preset.files for name in RECOGNITION):
        records = _records(planner, "recognition", {name: preset.files[name] for name in RECOGNITION})
        stages["records/recognition"] = records
        for task in TASKS:
            config = replace(planner.config(task), seed=seed)
            stages[task] = planner.training(task, config, records, model, f"the released model, {task}", _READER)
    expected = tuple(name for name in stages if not name.startswith(("records", "import")))
    experiment = Experiment(NAME, "the released model", CELLS, expected, {})
    return [Run(experiment, seed, stages)]


def _import(planner: Planner) -> Stage:
    files = planner.preset.files
    checkpoint, vocabulary = str(files["checkpoint"]), str(files["vocabulary"])
    heads = files.get("num_heads")
    inputs = {name: f"{checkpoint}{name}" for name in (".index", ".data-00000-of-00001")}
    if (beside := Path(checkpoint).with_name("config.json")).is_file():
        inputs["config.json"] = str(beside)
    inputs["vocabulary"] = vocabulary

    def make(folder: Path) -> tuple[tuple[Command, ...], tuple[str, ...]]:
        arguments = ["import-original", checkpoint, "--out", str(folder / "model"), "--vocabulary", vocabulary]
        arguments += ["--num-heads", str(heads)] if heads else []
        return (Command("weights", tuple(arguments)),), ("model/config.json",)

    modules = ("kaleido.commands.weights",)
    return planner.stage("import", {"num_heads": heads}, {}, inputs, modules, make, "the released checkpoint")


def _records(planner: Planner, name: str, sources: Mapping[str, str]) -> Stage:
    vocabulary, inputs, missing = str(planner.preset.files["vocabulary"]), {}, ""
    for split, source in sources.items():
        try:
            inputs[split] = TextFiles.find(str(source)).fingerprint
        except UserError as error:
            inputs[split], missing = "missing", str(error)

    def make(folder: Path) -> tuple[tuple[Command, ...], tuple[str, ...]]:
        places = str(sources["train"]), str(folder / "records"), vocabulary
        config = PrepareOriginal(*places, validation=sources.get("validation"))
        return (Command("prepare-original", config=config),), ("records/dataset_info.json",)

    files, modules = {"vocabulary": vocabulary}, ("kaleido.commands.prepare_original",)
    label = f"the original's {name} files"
    return planner.stage("records", {}, inputs, files, modules, make, label, missing=missing)
