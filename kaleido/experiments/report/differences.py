"""Compares the conditions of the runs with the paper's, so that their metrics are not confused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaleido.experiments.experiment import DOWNSTREAM
from kaleido.experiments.kinds import MATCHING
from kaleido.experiments.ledger import Ledger, PlannedRun
from kaleido.experiments.report.cells import Filled
from kaleido.experiments.report.outcomes import Outcome, kind_of
from kaleido.experiments.report.paper import paper
from kaleido.retrieval.ranks import CUTOFFS

PROTOCOL = "1 + 100 of the same sub-category"
FULL = (("table2", "Kaleido-BERT"), ("figure6", "all"))


def differences(ledger: Ledger, filled: Filled) -> list[tuple[str, str, str]]:
    """Lists conditions: name, the paper's value, and that of our full model."""
    source = paper().source
    run, outcome = _full_model(filled)
    seeds = {other.seed for other, found in filled.outcomes if found.values}
    ours = _ours(run, outcome)
    counted = {0: "none yet", 1: "one, so there is no deviation"}.get(len(seeds), f"{len(seeds)}, mean ± deviation")
    return [
        ("preset", "", f"{ledger.preset['name']}: {ledger.preset['title']}"),
        ("data", source["data"], ours.get("data", "")),
        ("backbone", source["backbone"], ours.get("backbone", "")),
        ("saliency of the full model", "a small U-Net", ours.get("saliency", "")),
        ("model", source["model"], ours.get("model", "")),
        ("pre-training", source["training"], ours.get("pretraining", "")),
        ("fine-tuning", "20 epochs, 64 examples a step", ours.get("finetuning", "")),
        ("retrieval", PROTOCOL, ours.get("retrieval", "")),
        ("captions", "all [MASK], predicted at once", ours.get("captions", "")),
        ("seeds", source["seeds"], counted),
        ("computed by", "8 V100", ours.get("machine", "")),
    ]


def warning(ledger: Ledger, filled: Filled) -> str:
    """Writes one line that says that the runs are no reproduction, and how they differ."""
    told = {what: ours for what, _, ours in differences(ledger, filled)}
    parts = [told[name] for name in ("data", "backbone", "model", "pre-training") if told[name]]
    seeds = sum(bool(found.values) for _, found in filled.outcomes)
    if not seeds:
        return "Nothing has been run yet: every cell of ours is empty."
    return (
        f"Preset {ledger.preset['name']}, no reproduction of the paper's metrics: {'; '.join(parts)}. The paper: "
        f"{paper().source['data']}; {paper().source['backbone']}; {paper().source['model']}; "
        f"{paper().source['training']}."
    )


def _full_model(filled: Filled) -> tuple[PlannedRun | None, Outcome]:
    """Finds the full model's run with the most stages done, or any other's."""
    candidates = [pair for place, name in FULL for pair in filled.of(place, name)] or list(filled.outcomes)
    return max(candidates, key=lambda pair: len(pair[1].stages), default=(None, Outcome()))


def _ours(run: PlannedRun | None, outcome: Outcome) -> dict[str, str]:
    found: dict[str, str] = {}
    if run is None:
        return found
    kinds = {kind_of(name): name for name in outcome.stages}
    settings = {kind: outcome.stages[full][0].get("settings", {}) for kind, full in kinds.items()}
    if "records" in kinds:
        found |= _of_records(run.stages[kinds["records"]] / "records" / "metadata.json")
    if "pretrain" in kinds:
        found["model"] = _of_model(run.stages["pretrain"] / "run" / "model" / "config.json")
        found["pretraining"] = _length(settings["pretrain"])
        if initial := outcome.stages["pretrain"][0].get("named", {}).get("model_config.initial_weights"):
            found["pretraining"] += f", from {Path(initial).name}"
    elif "import" in kinds:
        found["model"] = _of_model(run.stages["import"] / "model" / "config.json")
        found["pretraining"] = "the released checkpoint"
    tuned = {kind: _length(settings[kind]) for kind in DOWNSTREAM if kind in settings and kind != "retrieve"}
    if tuned:
        same = len(set(tuned.values())) == 1
        found["finetuning"] = next(iter(tuned.values())) if same else "; ".join(f"{k}: {v}" for k, v in tuned.items())
    if "retrieve" in settings:
        found["retrieval"] = _protocol(settings["retrieve"], MATCHING in settings)
    if "caption" in settings:
        found["captions"] = settings["caption"].get("caption_config.decoder", "")
    environments = [done.get("environment", {}) for _, done in outcome.stages.values()]
    machines = dict.fromkeys(_machine(environment) for environment in environments if environment)
    found["machine"] = "; ".join(machines)
    return found


def _of_records(path: Path) -> dict[str, str]:
    metadata = _json(path)
    found = {"backbone": metadata.get("backbone", "the original's features")}
    if products := metadata.get("products"):
        counts = ", ".join(f"{count:,} {split}" for split, count in products.items())
        found["data"] = f"{metadata['catalog']['name']}, products: {counts}"
        found["saliency"] = metadata["config"]["saliency"]
    else:
        found["data"] = f"the original's files for {metadata.get('content', 'recognition')}"
        found["saliency"] = "in the files"
    return found


def _of_model(path: Path) -> str:
    model = _json(path).get("architecture", {})
    return f"{model.get('num_layers')} layers, {model.get('hidden_size')} wide" if model else ""


def _length(settings: Mapping[str, Any]) -> str:
    steps, batch = settings.get("train_config.steps"), settings.get("train_config.batch_size")
    length = f"{steps:,} steps" if steps else f"{settings.get('train_config.epochs'):g} epochs"
    return f"{length}, {batch} examples a step"


def _protocol(settings: Mapping[str, Any], matched: bool) -> str:
    head = "fine-tuned matching head" if matched else "pre-trained matching head"
    if settings.get("protocol") != "random100":
        return f"protocol {settings.get('protocol')}, {head}"
    drawn = {key.rpartition(".")[2]: value for key, value in settings.items() if key.startswith("candidates_config.")}
    chance = sum(min(k / (drawn["negatives"] + 1), 1) for k in CUTOFFS)
    return (
        f"1 + {drawn.get('negatives')} of the same {drawn.get('label')}, at most {drawn.get('queries'):,} queries, "
        f"drawn {'once' if drawn.get('repeats') == 1 else str(drawn.get('repeats')) + ' times'}, {head}; "
        f"by chance SumR would be {200 * chance:.1f}"
    )


def _machine(environment: Mapping[str, Any]) -> str:
    if environment.get("device", "cpu") != "cpu":
        return f"{environment.get('devices')} x {environment['device']} ({environment.get('backend')})"
    return f"{environment.get('cores')} cores of {environment.get('cpu')} ({environment.get('backend')})"


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # removed since; the metrics themselves are read elsewhere
