"""`kaleido experiments`: the paper's experiments, from data to metrics."""

from kaleido.commands.command import Command
from kaleido.experiments.config import ExperimentsConfig


def experiments(config: ExperimentsConfig) -> int:
    """Runs the experiments of the paper's tables and figures with a preset, or goes on where they were stopped."""
    from kaleido.experiments.run import run_experiments

    outcome = run_experiments(config)
    print(outcome.text)
    return int(outcome.failed)


COMMAND = Command(experiments, ExperimentsConfig, backend=False)
