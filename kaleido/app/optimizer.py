"""Adam and AdamW with warm-up and linear decay."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kaleido.app.config import OptimizerConfig

_WITHOUT_DECAY = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("kaleido")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Raises the rate from 0 to the peak over the warm-up, then lowers it linearly to 0 at the last step.

    Args:
        peak: Highest learning rate.
        warmup_steps: Steps of the warm-up.
        total_steps: Steps of the whole training.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step):
        return self.at(ops.cast(step, "float32"), ops)

    def at(self, step, functions=np):
        """Returns the rate after a number of steps, float32, by the functions of NumPy or of Keras."""
        # The first step, number 0, already has a rate above 0: otherwise its batch would have no effect.
        done = step + 1.0
        top = max(self.warmup_steps, 1)
        climb = done / top
        fall = (self.total_steps + 1.0 - done) / max(self.total_steps + 1 - top, 1)
        return self.peak * functions.maximum(functions.minimum(functions.minimum(climb, fall), 1.0), 0.0)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


@keras.saving.register_keras_serializable("kaleido")
class OriginalSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Lowers the rate linearly from step 0 on, and multiplies it by step/warm-up, as the original release does.

    Args:
        peak: Start of the linear decay; the rate never reaches it.
        warmup_steps: Steps of the warm-up.
        total_steps: Steps of the whole training.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step):
        return self.at(ops.cast(step, "float32"), ops)

    def at(self, step, functions=np):
        """Returns the rate after a number of steps, float32, by the functions of NumPy or of Keras."""
        climb = step / self.warmup_steps if self.warmup_steps else 1.0
        return self.peak * functions.minimum(climb, 1.0) * functions.maximum(1.0 - step / self.total_steps, 0.0)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


@keras.saving.register_keras_serializable("kaleido")
class AdamW(keras.optimizers.Adam):
    """Adam with decoupled weight decay, which on TensorFlow updates a variable by two operations instead of twenty.

    Args:
        decay: Weight decay; not applied to biases and LayerNorm.
        original: Whether the decay is multiplied by Adam's bias-corrected rate, as in the original release, instead of
            the learning rate.
        options: Options of Adam.
    """

    def __init__(self, *args: Any, decay: float = 0.0, original: bool = False, **options: Any):
        super().__init__(*args, **options)
        self.decay, self.original = decay, original

    @property
    def schedule(self):
        """Schedule of the learning rate."""
        return self._learning_rate

    def build(self, variables):
        super().build(variables)
        self._decays = [bool(self.decay) and variable.name not in _WITHOUT_DECAY for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        # By index: on TensorFlow this is the variable inside the Keras variable, with another name.
        index = self._get_variable_index(variable)
        done = ops.cast(self.iterations + 1, variable.dtype)
        powers = ops.power(self.beta_1, done), ops.power(self.beta_2, done)
        rate = ops.cast(learning_rate, variable.dtype)
        if self._decays[index]:
            corrected = rate * ops.sqrt(1 - powers[1]) / (1 - powers[0]) if self.original else rate
            self.assign(variable, variable * (1 - self.decay * corrected))
        if keras.backend.backend() != "tensorflow":  # XLA makes one pass of the operations
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def get_config(self):
        return {**super().get_config(), "decay": self.decay, "original": self.original}


def create_optimizer(config: OptimizerConfig, total_steps: int, variables: list) -> AdamW:
    """Builds an optimizer for trainable variables, without clipping: the step clips gradients and logs their norm."""
    warmup_steps = config.warmup_ratio * total_steps
    if config.original:
        schedule = OriginalSchedule(config.learning_rate, int(warmup_steps), total_steps)
    else:
        schedule = WarmupLinearDecay(config.learning_rate, round(warmup_steps), total_steps)
    options = {
        "beta_1": config.beta_1,
        "beta_2": config.beta_2,
        "epsilon": config.epsilon,
        # Checkpoints name the slots by it; by default Keras numbers the optimizers of a process.
        "name": "optimizer",
    }
    decay = config.weight_decay if config.name == "adamw" else 0.0
    optimizer = AdamW(schedule, decay=decay, original=bool(config.original), **options)
    optimizer.build(variables)
    return optimizer
