"""`python -m kaleido evaluate`: the seven tasks on held-out products."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kaleido import configuration
from kaleido.app.config import PretrainConfig
from kaleido.backend import import_backend
from kaleido.errors import UserError


@dataclass(frozen=True)
class EvaluateRun:
    """Evaluation of a finished run.

    Args:
        run: Folder that `pretrain` wrote.
        records: Other records than the run's own, prepared alike; the run's if empty.
        split: `validation`, `test` or `train`.
        batch_size: Examples a step.
    """

    run: str
    records: str = ""
    split: Literal["validation", "test", "train"] = "validation"
    batch_size: int = 64


def main(argv: list[str]) -> int:
    """Runs the verb; returns the exit code."""
    arguments = configuration.parse(
        EvaluateRun, argv, "python -m kaleido evaluate", "Evaluates a pre-trained model on held-out products."
    )
    path = Path(arguments.run) / "config.yaml"
    if not path.is_file():
        raise UserError(f"{path}: no such run; name a folder that `pretrain` wrote")
    config = configuration.load(PretrainConfig, path)
    section = replace(config.evaluate_config, split=arguments.split, batch_size=arguments.batch_size)
    config = replace(config, output=arguments.run, records=arguments.records or config.records, evaluate_config=section)

    import_backend()
    from kaleido.tasks.pretraining.application import Pretraining
    from kaleido.tasks.pretraining.report import pretraining_table

    application = Pretraining(config)
    print(pretraining_table(application.run_evaluate()))
    print(f"written to {application.metrics_path}")
    return 0
