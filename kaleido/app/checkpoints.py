"""Training checkpoints: plain named arrays and a small JSON, in a folder that appears complete or not at all."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from typing_extensions import TypedDict

from kaleido.atomic import folder_written_atomically, remove_atomically
from kaleido.checksums import file_sha256, seal, unseal
from kaleido.errors import UserError
from kaleido.untrusted import Count, Sha256, Text, checked, read_plain

ARRAYS, STATE = "arrays.safetensors", "state.json"


class _Content(TypedDict):
    step: Count
    best: bool
    sha256: Sha256
    state: dict[Text, Any]


@dataclass(frozen=True)
class Checkpoint:
    """State of a training after a step.

    Attributes:
        step: Training steps done.
        arrays: Weights, optimizer slots and random states by name.
        state: Further state of the training loop, in JSON types.
    """

    step: int
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        directory: Folder of the checkpoints; made when the first is saved.
        keep: Number of latest checkpoints to keep; the best is kept as well.
    """

    def __init__(self, directory: Path, keep: int):
        self.directory = Path(directory)
        self.keep = keep

    def steps(self) -> list[int]:
        """Lists the saved steps in rising order; damage is found only on loading."""
        numbers = (path.name.removeprefix("step-") for path in self.directory.glob("step-*"))
        return sorted(int(number) for number in numbers if number.isdecimal())

    def save(self, checkpoint: Checkpoint, best: bool = False) -> Path:
        """Writes a checkpoint and removes those that are no longer kept.

        Args:
            checkpoint: Checkpoint to save.
            best: Whether it is the best so far.

        Raises:
            UserError: if it cannot be written; the earlier checkpoints are untouched.
        """
        target = self._path(checkpoint.step)
        with folder_written_atomically(target) as folder:
            _save_arrays(folder / ARRAYS, checkpoint.arrays)
            sha256 = file_sha256(folder / ARRAYS)
            content = {"step": checkpoint.step, "best": best, "sha256": sha256, "state": checkpoint.state}
            (folder / STATE).write_bytes(seal(content))
        self._remove_others(checkpoint.step)
        return target

    def best(self) -> int | None:
        """Returns the best step; None if none was saved as the best."""
        return max((step for step in self.steps() if self._is_best(step)), default=None)

    def load(self, step: int) -> Checkpoint:
        """Reads one checkpoint.

        Raises:
            UserError: if it is missing, truncated or altered.
        """
        path = self._path(step) / ARRAYS
        content = self._state(step)
        try:
            if file_sha256(path) != content["sha256"]:
                raise UserError(f"{path}: the checkpoint is damaged: its content does not match its checksum")
            return Checkpoint(content["step"], load_file(path), content["state"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: the checkpoint cannot be read: {error}") from None

    def load_latest(self) -> tuple[Checkpoint | None, list[str]]:
        """Loads the latest undamaged checkpoint, None if there is none at all, and lists what is wrong with later ones.

        Raises:
            UserError: if there are checkpoints and all of them are damaged.
        """
        problems: list[str] = []
        for step in reversed(self.steps()):
            try:
                return self.load(step), problems
            except UserError as error:
                problems.append(str(error))
        if problems:
            raise UserError(
                f"{self.directory}: no checkpoint can be read, the latest because of: {problems[0]}; remove this "
                "folder to start anew"
            )
        return None, []

    def _path(self, step):
        return self.directory / f"step-{step:08d}"

    def _state(self, step):
        path = self._path(step) / STATE
        try:
            content = unseal(read_plain(path))
        except ValueError:
            raise UserError(f"{path}: the checkpoint is damaged: its content does not match its checksum") from None
        checked(_Content, content, path)
        if content["step"] != step:
            raise UserError(f"{path}: the checkpoint is damaged: it is of another step. Received: {content['step']}")
        return content

    def _is_best(self, step):
        try:
            return self._state(step)["best"]
        except UserError:
            return False

    def _remove_others(self, latest):
        for step in self.steps():
            if step > latest:  # Damaged: this training resumed from an earlier step.
                remove_atomically(self._path(step))
        steps = self.steps()
        for step in {*steps} - {*steps[-self.keep :], self.best()}:
            remove_atomically(self._path(step))


class CheckpointWriter:
    """Saves checkpoints beside training, in one thread and one at a time; complete at the end of the `with` block.

    The process does not end before the thread. What goes wrong in it is raised by the methods, as the `UserError` of
    `CheckpointStore.save`.

    Args:
        store: Where to save them.
    """

    def __init__(self, store: CheckpointStore):
        self._store = store
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._saving: Future[Path] | None = None

    def save(self, make: Callable[[], Checkpoint], best: bool = False) -> None:
        """Makes a checkpoint and begins to save it, once the one before is saved: one copy of the state at a time.

        Args:
            make: Function that makes the checkpoint, whose arrays must not change afterwards.
            best: Whether it is the best so far.
        """
        self.wait()
        self._saving = self._thread.submit(self._store.save, make(), best)

    def check(self) -> None:
        """Raises what went wrong with a checkpoint, without waiting for it."""
        if self._saving is not None and self._saving.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the checkpoint is saved."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.wait()
        except UserError:
            # An exception of the block itself says more.
            if kind is None:
                raise


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        save_file(arrays, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
