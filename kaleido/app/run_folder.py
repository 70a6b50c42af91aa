"""A run's folder belongs to one training."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from kaleido import configuration
from kaleido.app.cluster import read_cluster
from kaleido.atomic import remove_leftovers
from kaleido.errors import UserError

CONFIG_FILE = "config.yaml"

RUNTIME_KEYS = (
    "preprocess_config.workers",
    "preprocess_config.prefetch",
    "train_config.keep_checkpoints",
    "train_config.save_every",
    "train_config.tensorboard",
    "train_config.jit_compile",
    "train_config.distribution_config.strategy",
    "evaluate_config.batch_size",
)
"""Of trainings on records, what changes no result."""


def claim_folder(directory: Path, config: Any, free_keys: Collection[str]) -> None:
    """Saves a resolved configuration in a run's folder, or checks that the run that is there is the same training.

    Of several workers all check and the chief saves.

    Args:
        directory: The run's.
        config: A dataclass that `configuration.parse` made.
        free_keys: Dotted names of what may change while a training goes on.

    Raises:
        UserError: naming the first key that another training in this folder has otherwise.
    """
    path = directory / CONFIG_FILE
    if path.exists():
        before = configuration.flatten(configuration.load(type(config), path))
        for key, now in configuration.flatten(config).items():
            if key not in free_keys and now != before.get(key):
                raise UserError(
                    f"{directory} holds a run with another {key} ({before.get(key)}); name another output folder or "
                    f"remove this one. Received: {now}"
                )
    if read_cluster().is_chief:
        remove_leftovers(directory)
        configuration.save(config, path)
