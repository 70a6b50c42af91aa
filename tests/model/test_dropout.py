"""Rate, scale and independence of dropout's masks, on the backend in use and, by its functions, on JAX."""

import os

import keras
import numpy as np
import pytest

from kaleido.masks import drop_on_jax, drop_on_tensorflow
from kaleido.model.dropout import Dropout

os.environ.setdefault("JAX_PLATFORMS", "cpu")
SHAPE = (16, 8, 512)
SEEDS = [(3, 0), (3, 1), (4, 0), (2**32 - 1, 5)]


def on_jax(values, rate, seed):
    jax = pytest.importorskip("jax")
    return np.asarray(drop_on_jax(jax.numpy.asarray(values), rate, jax.numpy.asarray(seed, "uint32")))


def on_tensorflow(values, rate, seed):
    tf = pytest.importorskip("tensorflow")
    return drop_on_tensorflow(tf.convert_to_tensor(values), rate, tf.constant(seed, "int64")).numpy()


BACKENDS = pytest.mark.parametrize(
    "drop, rates", [(on_jax, {}), (on_tensorflow, {0.1: 26 / 256, 0.001: 66 / 65536})], ids=["jax", "tensorflow"]
)


@BACKENDS
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_rate_and_scale(drop, rates, rate):
    rate, asked = rates.get(rate, rate), rate
    if rate == 0.9:
        rate = {on_tensorflow: 230 / 256}.get(drop, rate)
    for seed in SEEDS:
        dropped = drop(np.ones(SHAPE, np.float32), asked, seed)
        np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - rate), rtol=1e-6)
        count = (dropped == 0).sum()
        assert abs(count - rate * dropped.size) < 5 * np.sqrt(dropped.size * rate * (1 - rate))


@BACKENDS
def test_values_are_dropped_independently(drop, rates):
    masks = [drop(np.ones(SHAPE, np.float32), 0.5, seed) != 0 for seed in SEEDS]
    signs = np.where(masks, 1.0, -1.0)
    limit = 5 / np.sqrt(signs[0].size)
    # Words of other seeds and counters at the same place, neighbours along each axis, other rows at a distance.
    for one in range(len(SEEDS)):
        for other in range(one):
            assert abs((signs[one] * signs[other]).mean()) < limit
    for one in signs:
        for axis in range(3):
            for distance in (1, 2, 3, 5):
                assert abs((one * np.roll(one, distance, axis)).mean()) < limit
        # Sums over rows and over places are spread as those of independent values.
        for sums, terms in ((one.sum((1, 2)), 4096), (one.sum(0).ravel(), 16), (one.sum(2).ravel(), 512)):
            assert abs((sums**2).mean() / terms - 1) < 5 * np.sqrt(2 / sums.size)
        # 8 neighbours form every pattern equally often: chi-square with 255 degrees of freedom.
        patterns = np.packbits(one.reshape(-1, 8) > 0, axis=1).ravel()
        expected = patterns.size / 256
        assert ((np.bincount(patterns, minlength=256) - expected) ** 2 / expected).sum() < 255 + 5 * np.sqrt(510)


def test_no_row_has_the_mask_of_another_at_a_distance():
    mask = np.where(on_jax(np.ones((64, 4096), np.float32), 0.5, (7, 1)) != 0, 1.0, -1.0)
    spectra = np.fft.rfft(mask)
    for one in range(64):
        shifted = np.fft.irfft(spectra[one] * spectra[:one].conj(), n=4096) / 4096
        assert shifted.size == 0 or np.abs(shifted).max() < 7 / np.sqrt(4096)


def test_the_layer_draws_anew_in_training_and_passes_values_on_otherwise():
    layer, values = Dropout(0.5), np.ones(SHAPE, np.float32)
    one, other = (keras.ops.convert_to_numpy(layer(values, training=True)) for _ in range(2))
    assert (one != other).any()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(values)), values)
    np.testing.assert_array_equal(layer.seed_generator.state.numpy()[1:], 2)
    assert not Dropout(0.0).variables
    assert Dropout.from_config(layer.get_config()).rate == 0.5
