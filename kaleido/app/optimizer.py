"""Adam and AdamW with warm-up and linear decay."""

import keras
from keras import ops

from kaleido.app.config import OptimizerConfig


@keras.saving.register_keras_serializable("kaleido")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Climbs from 0 to the peak over the warm-up, then falls in a straight line to 0 at the last step.

    Args:
        peak: The highest rate.
        warmup_steps: Steps of the climb.
        total_steps: Steps of the whole training.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step):
        # The first step, number 0, already moves: otherwise its batch would be read for nothing.
        done = ops.cast(step, "float32") + 1.0
        top = max(self.warmup_steps, 1)
        climb = done / top
        fall = (self.total_steps + 1.0 - done) / max(self.total_steps + 1 - top, 1)
        return self.peak * ops.maximum(ops.minimum(ops.minimum(climb, fall), 1.0), 0.0)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


def create_optimizer(config: OptimizerConfig, total_steps: int, variables: list) -> keras.optimizers.Optimizer:
    """An optimizer built for the given trainable variables; clipping is the step's, which logs the norm."""
    schedule = WarmupLinearDecay(config.learning_rate, round(config.warmup_ratio * total_steps), total_steps)
    options = {
        "beta_1": config.beta_1,
        "beta_2": config.beta_2,
        "epsilon": config.epsilon,
        # Checkpoints know the slots by this name, which must not count up with every optimizer of the process.
        "name": "optimizer",
    }
    if config.name == "adam":
        optimizer = keras.optimizers.Adam(schedule, **options)
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, **options)
        optimizer.exclude_from_weight_decay([v for v in variables if v.name in ("bias", "gamma", "beta")])
    optimizer.build(variables)
    return optimizer
