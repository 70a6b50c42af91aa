"""Two devices give the training of one: run in a process of its own, because devices are fixed at the start."""

import subprocess
import sys

import pytest

PROGRAM = """
import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from kaleido.app import step_tensorflow
from kaleido.app.config import ModelSection, TrainConfig
from kaleido.bench.training import random_batch
from kaleido.model.config import Compatibility, LossConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.pretraining.objectives import PretrainingTasks

model = ModelSection("tiny", 1, 16, 2, 32, dropout=0.0, attention_dropout=0.0).resolve(50, 12)
batch = random_batch(8, 8, 50, 12, 3)
alone = dict.fromkeys(("mlm", "itm", "rotation", "jigsaw", "camouflage", "grey", "blank"), 0.0)

class Tasks(PretrainingTasks):
    def __init__(self, weights):
        super().__init__(LossConfig(**weights), Compatibility())

    def build_model(self):
        self.model = KaleidoBert(model, self.tasks)
        return self.model

def losses(strategy, application, batch, accumulation):
    config = TrainConfig(batch_size=8, accumulation=accumulation)
    step_tensorflow._strategy = lambda config, workers: strategy
    keras.utils.set_random_seed(0)
    step = step_tensorflow.StepTensorflow(application, config, 5)
    values = np.stack([step.fetch(step.train(batch)) for _ in range(5)])
    return values, step.evaluate(batch), step.evaluate({name: array[:7] for name, array in batch.items()})

one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
# Contrastive learning compares the rows of all devices, of one part of the batch at a time; a real batch masks no token
# twice.
whole = {name: array for name, array in batch.items() if not name.startswith("mlm")}
for weights, arrays, accumulation in (({}, batch, 2), ({**alone, "itc": 1.0}, whole, 1)):
    single, double = (losses(strategy, Tasks(weights), arrays, accumulation) for strategy in (one, two))
    for values, others in zip(single, double, strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-4, atol=1e-4)
    assert single[0][0, 0] != single[0][-1, 0]
print("the same")
"""


@pytest.mark.slow
def test_two_devices_train_like_one():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.strip().endswith("the same")
