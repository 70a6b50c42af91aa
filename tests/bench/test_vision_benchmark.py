import io

import keras
import numpy as np
import pytest
from PIL import Image

from kaleido.bench.preparing import benchmark_preparing, convolution_cost


def test_cost_of_convolutions():
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    outputs = keras.layers.DepthwiseConv2D(5, padding="same")(outputs)
    network = keras.Model(inputs, keras.layers.Conv2D(6, 1)(outputs))
    pixels = 8 * 8
    flop, moved = convolution_cost(network, 16)
    assert flop == pytest.approx(2 * pixels * (4 * 3 * 9 + 4 * 25 + 6 * 4))
    assert moved == pytest.approx(4 * (16 * 16 * 3 + pixels * (4 + 4 + 4 + 4 + 6)))
    pixels = keras.Input((None, None, 3))
    assert convolution_cost(keras.Model(pixels, network(pixels / 255)), 16) == (flop, moved)


def test_preparing_without_a_network_counts_no_operations():
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(file, "PNG")
    values = benchmark_preparing([file.getvalue()] * 3, "random", "border", seconds=0.05, workers=1)
    assert values.keys() == {"examples_per_second", "decoding_ms"}
    assert values["examples_per_second"] > 0
