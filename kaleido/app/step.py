"""What the engine asks of a framework: one training step, one evaluation step, and the state as named arrays."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from kaleido.app.application import Application
from kaleido.app.cluster import Cluster
from kaleido.app.config import TrainConfig
from kaleido.backend import keras
from kaleido.errors import UserError

SHOWN = 8
"""Names in an error; a model of another size would fill the screen."""


class Step(ABC):
    """A model, its optimizer and the devices they run on.

    Attributes:
        application: Whose model it is.
        optimizer: None where the step only evaluates.
        cluster: Which share of each batch this process takes.
    """

    application: Application
    optimizer: Any
    cluster: Cluster = Cluster()

    @abstractmethod
    def train(self, batch: Mapping[str, np.ndarray]) -> Any:
        """Takes one step; returns a handle that `fetch` turns into values, so that the device is not waited for.

        Args:
            batch: This worker's rows of the global batch.
        """

    @abstractmethod
    def fetch(self, handle: Any) -> np.ndarray:
        """float64 [values]: the mean of each of the application's metrics, then the gradient's global norm."""

    @abstractmethod
    def evaluate(self, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        """float64 [metrics, 2]: sum and weight of each of the application's metrics on this worker's batch."""

    @abstractmethod
    def predict(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The application's predictions for a batch, by name, on one device."""

    def sum_over_workers(self, values: np.ndarray) -> Any:
        """The elementwise sum of what every worker gives, float32, for `np.asarray`; all workers have to ask."""
        return values

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that a step changes: weights, optimizer slots, states of the random generators."""
        return {name: np.asarray(keras.ops.convert_to_numpy(variable)) for name, variable in self._variables().items()}

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restores what `arrays` gave, on this backend or another.

        Raises:
            UserError: with the names that are missing, not known or of another shape; nothing is then changed.
        """
        variables = self._variables()
        problems = [f"{name} is missing" for name in sorted(set(variables) - set(arrays))]
        problems += [f"{name} is not known" for name in sorted(set(arrays) - set(variables))]
        problems += [
            f"{name} is {arrays[name].shape}, the model wants {tuple(variable.shape)}"
            for name, variable in variables.items()
            if name in arrays and tuple(variable.shape) != arrays[name].shape
        ]
        if problems:
            more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
            raise UserError(f"the checkpoint does not fit the model: {'; '.join(problems[:SHOWN])}{more}")
        for name, variable in variables.items():
            variable.assign(arrays[name])

    def _variables(self) -> dict[str, keras.Variable]:
        weights = {f"model/{variable.path}": variable for variable in self.application.model.weights}
        # Paths of generators hold counters of the process, their order in the model does not.
        weights |= {f"random/{index}": variable for index, variable in enumerate(self._generators())}
        if self.optimizer:
            weights |= {variable.path: variable for variable in self.optimizer.variables}
        return weights

    def _generators(self) -> list[keras.Variable]:
        """The states of the random generators, int [2] each: seed and counter."""
        model = self.application.model
        known = {id(variable) for variable in model.weights}
        return [variable for variable in model.variables if id(variable) not in known]


def batch_rows(batch: Mapping[str, np.ndarray]) -> int:
    """How many examples a batch holds; all its arrays have them in their first axis."""
    return len(next(iter(batch.values())))


def check_batch_size(config: TrainConfig, devices: int) -> None:
    """Raises a UserError if a batch cannot be cut into equal parts over devices and accumulation."""
    if config.batch_size % (devices * config.accumulation):
        raise UserError(
            f"train_config.batch_size must be a multiple of {devices} devices times accumulation "
            f"{config.accumulation}. Received: {config.batch_size}"
        )
