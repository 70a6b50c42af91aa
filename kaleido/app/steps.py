"""Chooses the training step for the backend in use."""

from kaleido.app.application import Application
from kaleido.app.config import TrainConfig
from kaleido.app.step import Step
from kaleido.backend import keras
from kaleido.errors import UserError


def create_step(application: Application, config: TrainConfig, total_steps: int) -> Step:
    """Creates the step of the backend in use.

    Args:
        application: Application whose model to build.
        config: Precision, devices, accumulation, optimizer.
        total_steps: Steps of the whole training, for the learning rate; 0 for a step that only evaluates.

    Raises:
        UserError: if there is none for this backend, or the batch cannot be split over its devices.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from kaleido.app.step_tensorflow import StepTensorflow

        return StepTensorflow(application, config, total_steps)
    if backend == "jax":
        from kaleido.app.step_jax import StepJax

        return StepJax(application, config, total_steps)
    raise UserError(f"training needs KERAS_BACKEND=tensorflow or jax. Received: {backend}")
