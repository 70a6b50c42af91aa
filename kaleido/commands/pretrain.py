"""`kaleido pretrain`: trains a model on prepared records."""

from typing import Any

from kaleido.app.config import PretrainConfig
from kaleido.app.registry import find_task
from kaleido.commands.command import Command


def pretrain(config: PretrainConfig) -> None:
    """Pre-trains Kaleido-BERT on records that `prepare` wrote."""
    train(config)


def train(config: Any) -> None:
    """Runs the application of a training's configuration and prints what it reports."""
    from kaleido.app.cluster import read_cluster

    result = find_task(config.task).application(config).run()
    if not read_cluster().is_chief:
        return
    if result:
        print(result.table)
    print(f"everything is in {config.out}")


COMMAND = Command(pretrain, PretrainConfig)
