"""`python -m kaleido pretrain`: trains a model on prepared records."""

import sys
from pathlib import Path

from kaleido import configuration
from kaleido.app.config import PretrainConfig
from kaleido.backend import import_backend


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    config = configuration.parse(
        PretrainConfig, argv, "python -m kaleido pretrain", "Pre-trains Kaleido-BERT on records that `prepare` wrote."
    )
    # After the arguments were checked: it takes seconds, which a mistyped key should not cost.
    import_backend()
    from kaleido.app.cluster import read_cluster
    from kaleido.app.curves import save_curves
    from kaleido.app.engine import Interrupted
    from kaleido.tasks.pretraining.application import Pretraining
    from kaleido.tasks.pretraining.report import pretraining_table

    application = Pretraining(config)
    directory = Path(config.output)
    if config.mode == "train_and_evaluate" and (metrics := application.finished_metrics()):
        print(f"{pretraining_table(metrics)}\n{directory}: there already")
        save_curves(directory)  # A run may have been stopped right before.
        return 0
    try:
        match config.mode:
            case "train":
                metrics = application.run_train()
            case "train_and_evaluate":
                metrics = application.run_train_and_evaluate()
            case "evaluate":
                metrics = application.run_evaluate()
    except Interrupted as interruption:
        print(f"kaleido pretrain: {interruption}", file=sys.stderr)
        return 128 + interruption.signal_number
    if not read_cluster().is_chief:
        return 0
    if metrics:
        print(pretraining_table(metrics))
    save_curves(directory)
    print(f"everything is in {directory}")
    return 0
