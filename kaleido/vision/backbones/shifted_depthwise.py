"""Depthwise convolution that XLA runs fast on a CPU."""

import keras
from keras import layers, ops

from kaleido.backend import accelerators


class ShiftedDepthwiseConv2D(layers.DepthwiseConv2D):
    """Multiplies each channel with its kernel as a sum of shifted pictures, one for each of the kernel's places.

    XLA makes one pass over the picture of the whole sum. Its own depthwise convolution is made for accelerators and
    takes about ten times as long on a CPU. The sum's order differs, and with it the last bits. Arguments are
    those of `DepthwiseConv2D`, of which only `padding="same"`, a square kernel and a depth multiplier of 1 are known.
    """

    def call(self, inputs):
        (kernel, _), (stride, _) = self.kernel_size, self.strides
        spans = [(size - 1) // stride * stride + 1 for size in inputs.shape[1:3]]
        gaps = [max(span + kernel - 1 - size, 0) for span, size in zip(spans, inputs.shape[1:3])]
        padded = ops.pad(inputs, ((0, 0), *((gap // 2, gap - gap // 2) for gap in gaps), (0, 0)))
        total = self.bias
        for y in range(kernel):
            for x in range(kernel):
                part = padded[:, y : y + spans[0] : stride, x : x + spans[1] : stride]
                total = total + part * self.kernel[y, x, :, 0]
        return self.activation(total)


def depthwise_layer() -> type[layers.DepthwiseConv2D]:
    """Returns the class of depthwise convolution that is fast on the backend and the device in use."""
    slow = keras.backend.backend() == "jax" and not accelerators()
    return ShiftedDepthwiseConv2D if slow else layers.DepthwiseConv2D
