"""`python -m kaleido finetune`: a pre-trained model for a task of one's own."""

import sys
from pathlib import Path

from kaleido import configuration
from kaleido.app.finetune_config import FinetuneConfig
from kaleido.commands.backend import import_backend


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    config = configuration.parse(
        FinetuneConfig,
        argv,
        "python -m kaleido finetune",
        "Fine-tunes a pre-trained model to recognise categories or sub-categories, and reports on held-out products.",
    )
    import_backend()
    from kaleido.app.cluster import read_cluster
    from kaleido.app.engine import Interrupted
    from kaleido.app.recognition import Recognition
    from kaleido.report.recognition import write_recognition

    application = Recognition(config)
    directory = Path(config.output)
    if config.mode == "train_and_evaluate":
        try:
            application.run_train_and_evaluate()
        except Interrupted as interruption:
            print(f"kaleido finetune: {interruption}", file=sys.stderr)
            return 128 + interruption.signal_number
        if not read_cluster().is_chief:
            return 0
    print(write_recognition(application, config.evaluate_config.split))
    print(f"everything is in {directory}")
    return 0
