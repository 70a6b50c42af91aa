import keras
import numpy as np
import pytest

from kaleido.app.config import OptimizerConfig
from kaleido.app.optimizer import OriginalSchedule, WarmupLinearDecay, create_optimizer


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


def test_the_originals_schedule_begins_with_a_step_that_moves_nothing():
    rates = [float(OriginalSchedule(1.0, 2, 5)(step)) for step in range(6)]
    np.testing.assert_allclose(rates, [0, 0.5 * 0.8, 0.6, 0.4, 0.2, 0], atol=1e-6)
    assert float(OriginalSchedule(1.0, 0, 5)(0)) == 1


def test_the_originals_decay_moves_by_the_corrected_rate():
    names = ("kernel", "bias")
    variables = [keras.Variable(np.array([1.0, -2.0], "float32"), name=name) for name in names]
    config = OptimizerConfig("adamw", 0.1, 0.4, weight_decay=0.3, beta_2=0.999, original=True)
    optimizer = create_optimizer(config, 5, variables)
    gradient = np.array([0.5, -0.1])
    expected = {name: np.array([1.0, -2.0]) for name in names}
    m, v = np.zeros(2), np.zeros(2)
    for step in range(4):
        optimizer.apply([gradient.astype("float32")] * 2, variables)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        rate = 0.1 * (1 - step / 5) * min(step / 2, 1) * np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        for name, decay in zip(names, (0.3, 0)):
            expected[name] = expected[name] - rate * (m / (np.sqrt(v) + 1e-6) + decay * expected[name])
    for name, variable in zip(names, variables):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected[name], rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_same_updates_as_keras_own_rule(name):
    random = np.random.default_rng(0)
    values = {"kernel": random.normal(size=(7, 5)), "bias": random.normal(size=5), "gamma": random.normal(size=5)}

    def variables():
        return [keras.Variable(value.astype("float32"), name=key) for key, value in values.items()]

    config = OptimizerConfig(name, 3e-2, 0.3, weight_decay=0.1)
    ours, theirs = variables(), variables()
    optimizer = create_optimizer(config, 20, ours)
    kind = keras.optimizers.AdamW if name == "adamw" else keras.optimizers.Adam
    decay = {"weight_decay": config.weight_decay} if name == "adamw" else {}
    reference = kind(WarmupLinearDecay(3e-2, 6, 20), beta_1=0.9, beta_2=0.98, epsilon=1e-6, name="optimizer", **decay)
    if decay:
        reference.exclude_from_weight_decay([theirs[1], theirs[2]])
    reference.build(theirs)
    for _ in range(20):
        gradients = [random.normal(size=value.shape).astype("float32") for value in values.values()]
        optimizer.apply(gradients, ours)
        reference.apply(gradients, theirs)
    assert [one.path for one in optimizer.variables] == [one.path for one in reference.variables]
    for one, other in zip([*ours, *optimizer.variables], [*theirs, *reference.variables], strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other), rtol=2e-5, atol=1e-6, err_msg=one.path
        )


@pytest.mark.parametrize("schedule", [WarmupLinearDecay(0.3, 4, 12), OriginalSchedule(0.3, 4, 12)])
def test_the_rate_is_the_same_without_the_device(schedule):
    for step in range(14):
        np.testing.assert_allclose(schedule.at(np.float32(step)), float(schedule(step)), rtol=1e-6)
