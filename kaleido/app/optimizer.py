"""Adam and AdamW with warm-up and linear decay."""

from typing import Any

import keras
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
        # The first step, number 0, already has a rate above 0: otherwise its batch would have no effect.
        done = ops.cast(step, "float32") + 1.0
        top = max(self.warmup_steps, 1)
        climb = done / top
        fall = (self.total_steps + 1.0 - done) / max(self.total_steps + 1 - top, 1)
        return self.peak * ops.maximum(ops.minimum(ops.minimum(climb, fall), 1.0), 0.0)

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
        done = ops.cast(step, "float32")
        climb = done / self.warmup_steps if self.warmup_steps else 1.0
        return self.peak * ops.minimum(climb, 1.0) * ops.maximum(1.0 - done / self.total_steps, 0.0)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


@keras.saving.register_keras_serializable("kaleido")
class OriginalAdamW(keras.optimizers.Adam):
    """Applies weight decay as the original release does, with Adam's bias-corrected rate.

    Args:
        decay: Weight decay; not applied to biases and LayerNorm.
        options: Options of Adam.
    """

    def __init__(self, *args: Any, decay: float = 0.0, **options: Any):
        super().__init__(*args, **options)
        self.decay = decay

    def build(self, variables):
        super().build(variables)
        self._decays = [variable.name not in _WITHOUT_DECAY for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        # By index: on TensorFlow this is the variable inside the Keras variable, with another name.
        if self._decays[self._get_variable_index(variable)]:
            done = ops.cast(self.iterations + 1, variable.dtype)
            correction = ops.sqrt(1 - ops.power(self.beta_2, done)) / (1 - ops.power(self.beta_1, done))
            rate = ops.cast(learning_rate, variable.dtype) * correction
            self.assign_sub(variable, variable * (self.decay * rate))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


def create_optimizer(config: OptimizerConfig, total_steps: int, variables: list) -> keras.optimizers.Optimizer:
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
    if config.name == "adam":
        optimizer = keras.optimizers.Adam(schedule, **options)
    elif config.original:
        optimizer = OriginalAdamW(schedule, decay=config.weight_decay, **options)
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, **options)
        optimizer.exclude_from_weight_decay([v for v in variables if v.name in _WITHOUT_DECAY])
    optimizer.build(variables)
    return optimizer
