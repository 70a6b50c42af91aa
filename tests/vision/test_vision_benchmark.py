import keras
import pytest

from kaleido.vision.benchmark import convolution_flop


def test_flop_of_convolutions():
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    outputs = keras.layers.DepthwiseConv2D(5, padding="same")(outputs)
    network = keras.Model(inputs, keras.layers.Conv2D(6, 1)(outputs))
    pixels = 8 * 8
    assert convolution_flop(network, 16) == pytest.approx(2 * pixels * (4 * 3 * 9 + 4 * 25 + 6 * 4))
