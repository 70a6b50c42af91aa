"""Interface of the engine to a framework: training step, evaluation step, and the state as named arrays."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.application import Application
from kaleido.app.cluster import Cluster
from kaleido.app.config import TrainConfig
from kaleido.backend import keras
from kaleido.errors import UserError

SHOWN = 8
"""Maximum number of names in an error; a model of another size would fill the screen."""


class Step(ABC):
    """A model, its optimizer and the devices they run on.

    Attributes:
        application: Application whose model is run.
        optimizer: Optimizer; None if the step only evaluates.
        cluster: Rank of this process, which determines its share of each batch.
        tables: Features that lie on the devices, for `train` and `evaluate` (`hold_features`); empty on the host.
        table_records: The same, by folder and split of the records.
        table_devices: Number of devices that can hold features together; 0 for none.
    """

    application: Application
    optimizer: Any
    cluster: Cluster = Cluster()
    tables: Mapping[str, Mapping[str, Any]] = {"train": {}, "evaluate": {}}
    table_records: Mapping[tuple[Path, str], Mapping[str, Any]] = {}
    table_devices: int = 0

    def free_memory(self) -> int | None:
        """Tells how many bytes are free on the accelerator with the least; None without accelerators."""
        return None

    @abstractmethod
    def place_table(self, shape: tuple[int, int], parts: Iterable[np.ndarray], spread: bool) -> Any:
        """Puts a table on the devices, part by part.

        Args:
            shape: Rows and columns of the table, float16.
            parts: Its rows in order.
            spread: Whether each device gets a share of the rows, and not all of them.
        """

    @abstractmethod
    def train(self, batch: Mapping[str, np.ndarray]) -> Any:
        """Runs one training step; returns a handle for `fetch`, without waiting for the device.

        Args:
            batch: Rows of the global batch that belong to this worker.
        """

    @abstractmethod
    def fetch(self, handle: Any) -> np.ndarray:
        """Returns the mean of each of the application's metrics, then the gradient's global norm: float64 [values]."""

    @abstractmethod
    def evaluate(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """Computes sum and weight of each of the application's metrics on this worker's batch: float64 [metrics, 2]."""

    @abstractmethod
    def predict(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the application's predictions for a batch, by name, on one device."""

    def learning_rate(self, steps: int) -> float:
        """Returns the learning rate after a number of steps, without asking the device."""
        return float(self.optimizer.schedule.at(np.float32(steps)))

    def update_model(self) -> None:  # noqa: B027 - nothing to do where a step trains the variables themselves
        """Brings the Keras variables of model and optimizer up to date, which a step may leave behind while it trains.

        The methods of this class need no call of it, only code that reads the variables itself.
        """

    def sum_over_workers(self, values: np.ndarray) -> Any:
        """Adds up the values of all workers elementwise, float32, for `np.asarray`; all workers have to call it."""
        return values

    def together(self) -> AbstractContextManager[None]:
        """Gives the context of a training that all workers begin and end, or are stopped in, together."""
        return nullcontext()

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns copies of everything that a step changes: weights, optimizer slots, states of the generators."""
        return {name: np.asarray(keras.ops.convert_to_numpy(variable)) for name, variable in self._variables().items()}

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restores the result of `arrays`, on this backend or another.

        Raises:
            UserError: if arrays are missing, unknown, of another shape or not finite (names them); nothing is then
                changed.
        """
        variables = self._variables()
        problems = [f"{name} is missing" for name in sorted(set(variables) - set(arrays))]
        problems += [f"{name} is unknown" for name in sorted(set(arrays) - set(variables))]
        problems += [
            f"{name} is {arrays[name].shape}, the model wants {tuple(variable.shape)}"
            for name, variable in variables.items()
            if name in arrays and tuple(variable.shape) != arrays[name].shape
        ]
        problems += [
            f"{name} holds values that are not finite"
            for name, array in arrays.items()
            if array.dtype.kind == "f" and not np.isfinite(array).all()
        ]
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise UserError(f"the checkpoint does not match the model: {'; '.join(problems[:SHOWN])}{more}")
        for name, variable in variables.items():
            variable.assign(arrays[name])

    def _variables(self) -> dict[str, keras.Variable]:
        weights = {f"model/{variable.path}": variable for variable in self.application.model.weights}
        # Paths of generators contain counters of the process, unlike their order in the model.
        weights |= {f"random/{index}": variable for index, variable in enumerate(self._generators())}
        if self.optimizer:
            weights |= {variable.path: variable for variable in self.optimizer.variables}
        return weights

    def _generators(self) -> list[keras.Variable]:
        """Returns the states of the random generators, int [2] each: seed and counter."""
        model = self.application.model
        known = {id(variable) for variable in model.weights}
        return [variable for variable in model.variables if id(variable) not in known]


def batch_rows(batch: Mapping[str, np.ndarray]) -> int:
    """Returns the number of examples in a batch, the first axis of all its arrays."""
    return len(next(iter(batch.values())))


def check_batch_size(config: TrainConfig, devices: int) -> None:
    """Raises a UserError if a batch cannot be split into equal parts over devices and accumulation."""
    if config.batch_size % (devices * config.accumulation):
        raise UserError(
            f"train_config.batch_size must be a multiple of {devices} devices times accumulation "
            f"{config.accumulation}. Received: {config.batch_size}"
        )
