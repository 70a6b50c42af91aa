"""Folder of a run, which belongs to one training."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from kaleido import configuration
from kaleido.app.cluster import read_cluster
from kaleido.atomic import remove_leftovers, write_atomically
from kaleido.errors import UserError
from kaleido.locks import folder_locked

CONFIG_FILE, CHECKPOINTS = "config.yaml", "checkpoints"

RUNTIME_KEYS = (
    "out",
    "records",
    "catalog",
    "model",
    "mode",
    "preprocess_config.workers",
    "preprocess_config.worker_kind",
    "preprocess_config.prefetch",
    "preprocess_config.features",
    "train_config.keep_checkpoints",
    "train_config.save_every",
    "train_config.tensorboard",
    "train_config.jit_compile",
    "train_config.distribution_config.strategy",
    "evaluate_config.batch_size",
)
"""Keys of trainings on records that change no result: threads, devices and paths. The content at these paths counts:
checkpoints hold the fingerprint of the records and of the model that the training started from."""

_LENGTH = ("train_config.steps", "train_config.epochs")


def run_locked(directory: Path) -> AbstractContextManager[None]:
    """Lets this process alone train in a run's folder while the `with` block runs; among several workers, the chief.

    Raises:
        UserError: if another process trains there; names it.
    """
    return folder_locked(directory) if read_cluster().is_chief else nullcontext()


def claim_folder(directory: Path, config: Any, free_keys: Collection[str], ignored: Collection[str] = ()) -> None:
    """Saves a resolved configuration in a run's folder, or checks that the run that is there is the same training.

    A run that ended before its first checkpoint does not claim the folder. Among several workers, all check and only
    the chief saves.

    Args:
        directory: Folder of the run.
        config: Configuration dataclass.
        free_keys: Dotted names of keys that may change while a training goes on.
        ignored: Names of sections that belong to other tasks; they are neither saved nor compared.

    Raises:
        UserError: if the folder holds another training; names the first key that differs.
    """
    values = {name: value for name, value in configuration.to_dict(config).items() if name not in ignored}
    path = directory / CONFIG_FILE
    if path.exists() and any((directory / CHECKPOINTS).glob("step-*")):
        before = configuration.flatten(configuration.load(type(config), path))
        for key, now in configuration.flatten(config).items():
            section = key.partition(".")[0]
            if section not in ignored and key not in free_keys and now != before.get(key):
                raise UserError(_difference(directory, key, before.get(key), now))
    if read_cluster().is_chief:
        remove_leftovers(directory, directory / CHECKPOINTS)
        write_atomically(path, yaml.safe_dump(values, sort_keys=False).encode())


def _difference(directory: Path, key: str, before: Any, now: Any) -> str:
    if key in _LENGTH and (directory / "model").is_dir():
        return (
            f"{directory} holds a finished run with another {key} ({before}), whose learning rate has fallen to 0; "
            f"train longer in another folder (--out); a pre-training starts there from this run's weights by "
            f"--model_config.initial_weights {directory / 'model'}. Received: {now}"
        )
    return (
        f"{directory} holds a run with another {key} ({before}); name another folder by --out, or remove this one. "
        f"Received: {now}"
    )
