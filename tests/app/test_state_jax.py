"""State of the JAX step between steps, in a process of its own."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from kaleido.app.config import ModelSection, TrainConfig
from kaleido.app.steps import create_step
from kaleido.bench.training import RandomPretraining, random_batch

batch = random_batch(4, 8, 50, 12, 3)

def create():
    model = ModelSection("tiny", 1, 16, 2, 32).resolve(50, 12)
    return create_step(RandomPretraining(model), TrainConfig(batch_size=4), 9)

def losses(step, steps):
    return np.stack([step.fetch(step.train(batch)) for _ in range(steps)])

step = create()
losses(step, 3)
assert step._train._cache_size() == 1, "compiled again"
middle = step.arrays()
copies = {name: array.copy() for name, array in middle.items()}
expected = losses(step, 3)
# A checkpoint that is being written does not change with the steps after it.
for name, array in copies.items():
    np.testing.assert_array_equal(middle[name], array)

weight = step.model.trainable_variables[0]
try:
    np.asarray(weight.value)
    raise SystemExit("a variable left behind could be read")
except RuntimeError:
    pass
step.update_model()
end = step.arrays()
np.testing.assert_array_equal(np.asarray(weight.value), end[f"model/{weight.path}"])
assert float(step.optimizer.learning_rate) == np.float32(step.learning_rate(6))

other = create()
other.load_arrays(middle)
np.testing.assert_array_equal(losses(other, 3), expected)
for name, array in other.arrays().items():
    np.testing.assert_array_equal(array, end[name], err_msg=name)
assert (losses(create(), 3) != expected).any()
print("kept")
"""


@pytest.mark.slow
def test_the_state_is_handed_on_copied_and_restored_bit_for_bit():
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("kept")
