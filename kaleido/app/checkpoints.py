"""Training checkpoints: plain named arrays and a small JSON, in a folder that appears complete or not at all."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from kaleido.atomic import write_atomically
from kaleido.errors import UserError

ARRAYS, STATE = "arrays.safetensors", "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """One saved moment of a training.

    Attributes:
        step: Training steps done.
        arrays: Weights, optimizer slots and random states by name.
        state: What else the loop needs to go on, JSON values.
    """

    step: int
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        directory: Where they lie; made when the first is saved.
        keep: How many of the latest to keep; the best is kept besides.
    """

    def __init__(self, directory: Path, keep: int):
        self.directory = Path(directory)
        self.keep = keep

    def steps(self) -> list[int]:
        """The steps saved, in rising order; whether they are sound is seen on loading."""
        found = self.directory.glob(f"step-*/{STATE}")
        return sorted(int(path.parent.name.removeprefix("step-")) for path in found)

    def save(self, checkpoint: Checkpoint, best: bool = False) -> Path:
        """Writes a checkpoint and removes those that are no longer kept.

        Args:
            checkpoint: What to save.
            best: Whether it is the best so far.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        target = self._path(checkpoint.step)
        temporary = self.directory / f".{target.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_file(checkpoint.arrays, temporary / ARRAYS)
        content = {"step": checkpoint.step, "sha256": _sha256(temporary / ARRAYS), "state": checkpoint.state}
        (temporary / STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
        for path in (temporary / ARRAYS, temporary / STATE, temporary):
            _flush(path)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
        if best:
            self.mark_best(checkpoint.step)
        self._remove_old()
        return target

    def mark_best(self, step: int) -> None:
        """Remembers a saved step as the best."""
        write_atomically(self.directory / "best.json", json.dumps({"step": step}).encode())

    def best(self) -> int | None:
        """The best step, if one was marked."""
        try:
            return int(json.loads((self.directory / "best.json").read_text(encoding="utf-8"))["step"])
        except (OSError, ValueError, KeyError):
            return None

    def load(self, step: int) -> Checkpoint:
        """Reads one checkpoint.

        Raises:
            UserError: if it is missing, cut off or altered.
        """
        path = self._path(step)
        try:
            content = json.loads((path / STATE).read_text(encoding="utf-8"))
            if _sha256(path / ARRAYS) != content["sha256"]:
                raise UserError(f"{path / ARRAYS}: the checkpoint is damaged: its checksum does not fit {STATE}")
            return Checkpoint(content["step"], load_file(path / ARRAYS), content["state"])
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise UserError(f"{path}: the checkpoint cannot be read: {error}") from None

    def load_latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The latest sound checkpoint, None if there is none, and what was wrong with later ones."""
        problems = []
        for step in reversed(self.steps()):
            try:
                return self.load(step), problems
            except UserError as error:
                problems.append(str(error))
        return None, problems

    def _path(self, step):
        return self.directory / f"step-{step:08d}"

    def _remove_old(self):
        steps, best = self.steps(), self.best()
        for step in steps[: -self.keep]:
            if step != best:
                shutil.rmtree(self._path(step))


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
