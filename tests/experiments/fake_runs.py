"""A folder of runs as experiments leave it, without running any."""

import json
from pathlib import Path

import numpy as np

SPLIT = "test"


def write_runs(runs: Path, planned: list[dict]) -> Path:
    """Writes `experiments.json` and the stages.

    Args:
        runs: The folder.
        planned: Of each run `experiment`, `cells`, `seed`, and `values` by row; rows that are left out have no stage.
    """
    listed = []
    for run in planned:
        name, values = f"{run['experiment']}-{run['seed']}", run.get("values", {})
        stages = {
            kind: f"stages/{kind}-{name}" for kind in ("pretrain", "category", "subcategory", "caption", "retrieve")
        }
        listed.append(
            {
                "experiment": run["experiment"],
                "title": run["experiment"],
                "cells": run["cells"],
                "seed": run["seed"],
                "stages": stages,
                "expected": ["category", "subcategory", "caption", "retrieve"],
            }
        )
        for kind, folder in stages.items():
            _write_stage(kind, runs / folder, values)
    content = {
        "format": "kaleido experiments 2",
        "preset": {"name": "fake", "title": "made up", "kind": "catalog"},
        "runs": listed,
    }
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "experiments.json").write_text(json.dumps(content))
    return runs


def _write_stage(kind: str, folder: Path, values: dict[str, float]) -> None:
    run = folder / "run"
    prefix = {"category": "CR", "subcategory": "SUB"}.get(kind)
    if kind == "pretrain":
        if not values:
            return
        run.mkdir(parents=True)
        points = [
            {"step": step, "loss/total": 2.0, "validation/loss/total": 3 - step / 10}
            | {f"validation/loss/{task}": 1 / step for task in ("rotation", "grey", "blank")}
            | {f"validation/accuracy/{task}": step / 20 for task in ("mlm", "itm", "rotation")}
            for step in (5, 10)
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    elif prefix:
        if f"{prefix} ACC" not in values:
            return
        run.mkdir(parents=True)
        metrics = {"accuracy": values[f"{prefix} ACC"] / 100, "macro_f1": values[f"{prefix} macro-F"]}
        (run / f"recognition-{SPLIT}.json").write_text(json.dumps({"metrics": metrics}))
        (run / f"predictions-{SPLIT}.csv").write_text("photo_id,label,predicted,probability\n")
    elif kind == "caption":
        if "Bleu-4" not in values:
            return
        run.mkdir(parents=True)
        rows = ("Bleu-4", "METEOR", "ROUGE-L", "CIDEr")
        metrics = {row: None if values[row] is None else values[row] / 100 for row in rows}
        (run / f"captions-{SPLIT}.json").write_text(json.dumps({"metrics": metrics}))
        (run / f"captions-{SPLIT}.jsonl").write_text("")
    else:
        if "ITR R@1" not in values:
            return
        run.mkdir(parents=True)
        directions = {
            direction: {f"R@{k}": {"value": values[f"{task} R@{k}"] / 100} for k in (1, 5, 10)}
            for direction, task in (("i2t", "ITR"), ("t2i", "TIR"))
        }
        (run / f"retrieval-random100-{SPLIT}.json").write_text(json.dumps({"directions": directions}))
        np.savez(run / f"retrieval-random100-{SPLIT}-scores.npz", i2t_rank=np.array([1]))
    (folder / "stage.json").write_text(json.dumps({"settings": {"train_config.steps": 10}}))
    results = [f"run/{path.name}" for path in sorted(run.iterdir(), key=lambda path: path.suffix != ".json")]
    (folder / "done.json").write_text(json.dumps({"kind": kind, "seconds": 1.0, "results": results}))


def retrieval_values(sum_r: float) -> dict[str, float]:
    """Six recalls with a sum."""
    return {f"{task} R@{k}": sum_r / 6 for task in ("ITR", "TIR") for k in (1, 5, 10)}
