import keras
import numpy as np

from kaleido.app.config import OptimizerConfig
from kaleido.app.optimizer import WarmupLinearDecay, create_optimizer


def test_schedule_climbs_and_falls_in_straight_lines():
    rates = [float(WarmupLinearDecay(1.0, 4, 12)(step)) for step in range(12)]
    np.testing.assert_allclose(rates[:4], [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(np.diff(rates[4:]), -1 / 9, rtol=1e-5)
    assert rates[-1] > 0 and float(WarmupLinearDecay(1.0, 4, 12)(12)) == 0


def test_no_warmup_starts_at_the_peak():
    assert float(WarmupLinearDecay(0.5, 0, 10)(0)) == 0.5


def test_decay_spares_biases_and_norms():
    variables = [keras.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "bias", "gamma", "beta")]
    optimizer = create_optimizer(OptimizerConfig("adamw", 0.1, 0.0, weight_decay=0.5), 10, variables)
    optimizer.apply([np.zeros(2, "float32")] * 4, variables)
    kernel, *others = (keras.ops.convert_to_numpy(variable) for variable in variables)
    np.testing.assert_allclose(kernel, 1 - 0.1 * 0.5)
    for value in others:
        np.testing.assert_array_equal(value, 1)


def test_adam_has_no_decay():
    variable = keras.Variable(np.ones(2, "float32"), name="kernel")
    optimizer = create_optimizer(OptimizerConfig("adam", 0.1, 0.0), 10, [variable])
    optimizer.apply([np.zeros(2, "float32")], [variable])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), 1)
