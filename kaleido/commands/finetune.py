"""`kaleido finetune`: trains a pre-trained model for a task."""

from dataclasses import replace
from typing import Any

from kaleido.app.finetune_config import finetune_config_class
from kaleido.commands.command import Command
from kaleido.commands.pretrain import train


def finetune(config: Any) -> None:
    """Fine-tunes a pre-trained model for a task and reports on held-out products."""
    if config.model:
        from kaleido.pretrained.hub import find_model

        config = replace(config, model=str(find_model(config.model)))
    train(config)


COMMAND = Command(finetune, finetune_config_class)
