"""`python -m kaleido finetune`: a pre-trained model for a task of one's own."""

import importlib
import sys
from pathlib import Path
from typing import Any

from kaleido import configuration
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.registry import FINETUNING_TASKS
from kaleido.backend import import_backend


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    config = configuration.parse(
        FinetuneConfig,
        argv,
        "python -m kaleido finetune",
        "Fine-tunes a pre-trained model for a task, and reports on held-out products. Tasks: "
        + "; ".join(f"{name}, {task.description}" for name, task in FINETUNING_TASKS.items()),
    )
    import_backend()
    from kaleido.app.cluster import read_cluster
    from kaleido.app.curves import save_curves
    from kaleido.app.engine import Interrupted

    task = FINETUNING_TASKS[config.task]
    application_class, write_report = map(_imported, (task.application, task.report))
    application = application_class(config)
    directory = Path(config.output)
    if config.mode == "train_and_evaluate":
        try:
            application.run_train_and_evaluate()
        except Interrupted as interruption:
            print(f"kaleido finetune: {interruption}", file=sys.stderr)
            return 128 + interruption.signal_number
        if not read_cluster().is_chief:
            return 0
    save_curves(directory)
    print(write_report(application, config.evaluate_config.split))
    print(f"everything is in {directory}")
    return 0


def _imported(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
