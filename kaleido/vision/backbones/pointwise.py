"""Convolution of 1x1 pixels that is fast whatever the size of the picture."""

from keras import layers, ops

from kaleido.backend import accelerators


class PointwiseConv2D(layers.Conv2D):
    """Multiplies the channels of each pixel with one matrix: a convolution of kernel 1, stride 1, with a bias.

    All pixels of the batch are rows of one product. As a convolution, oneDNN takes them picture by picture, which is
    two to five times as slow where a picture has few pixels left, and XLA's convolution on a CPU is slower at any size.
    On a processor the rows are padded to a multiple of `ROWS`, so that a row's bits do not depend on its place.
    """

    ROWS = 48
    """A common multiple of the rows that Eigen's kernels multiply at once; they round the rows that are left over
    differently."""

    def call(self, inputs):
        (batch, height, width, channels) = ops.shape(inputs)
        rows = ops.reshape(inputs, (-1, channels))
        count = batch * height * width
        if not accelerators():
            rows = ops.concatenate([rows, ops.zeros((-count % self.ROWS, channels), rows.dtype)])
        rows, bias = ops.matmul(rows, ops.reshape(self.kernel, (channels, self.filters))), self.bias
        if self.compute_dtype == "float16" and not accelerators():
            # On a processor TensorFlow's product of halves takes a thousand times as long where it joins bias and
            # activation to it.
            rows, bias = ops.cast(rows, "float32"), ops.cast(bias, "float32")
        rows = ops.add(rows, bias)
        return ops.reshape(self.activation(rows)[:count], (-1, height, width, self.filters))
