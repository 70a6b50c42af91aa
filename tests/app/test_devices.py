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
from kaleido.bench.training import RandomPretraining, random_batch
from kaleido.app.config import ModelSection, TrainConfig

model = ModelSection("tiny", 1, 16, 2, 32, dropout=0.0, attention_dropout=0.0).resolve(50, 12)
config = TrainConfig(batch_size=8, accumulation=2)
batch = random_batch(8, 8, 50, 12, 3)

def losses(strategy):
    step_tensorflow._strategy = lambda config, workers: strategy
    keras.utils.set_random_seed(0)
    step = step_tensorflow.StepTensorflow(RandomPretraining(model), config, 5)
    values = np.stack([step.fetch(step.train(batch)) for _ in range(5)])
    return values, step.evaluate(batch), step.evaluate({name: array[:7] for name, array in batch.items()})

one = losses(tf.distribute.get_strategy())
two = losses(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for single, double in zip(one, two, strict=True):
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)
assert one[0][0, 0] != one[0][-1, 0]
print("the same")
"""


@pytest.mark.slow
def test_two_devices_train_like_one():
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.strip().endswith("the same")
