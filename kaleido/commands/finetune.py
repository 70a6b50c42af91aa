"""`python -m kaleido finetune`: a pre-trained model for a task of one's own."""

import importlib
import sys
from pathlib import Path
from typing import Any

from kaleido import configuration
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.commands.backend import import_backend

_RECOGNITION = ("app.recognition.Recognition", "report.recognition.write_recognition")
TASKS = {
    "category": _RECOGNITION,
    "subcategory": _RECOGNITION,
    "caption": ("app.captioning.Captioning", "report.captions.write_captions"),
    "contrastive": ("app.contrastive.Contrastive", "report.matching.write_towers"),
    "retrieval": ("app.matching.Matching", "report.matching.write_matching"),
}
"""The application of each task, and what reports on it."""


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    config = configuration.parse(
        FinetuneConfig,
        argv,
        "python -m kaleido finetune",
        "Fine-tunes a pre-trained model to recognise categories or sub-categories, to caption photos or to match them "
        "with texts, and reports on held-out products.",
    )
    import_backend()
    from kaleido.app.cluster import read_cluster
    from kaleido.app.engine import Interrupted

    application_class, write_report = map(_imported, TASKS[config.task])
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
    print(write_report(application, config.evaluate_config.split))
    print(f"everything is in {directory}")
    return 0


def _imported(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(f"kaleido.{module}"), attribute)
