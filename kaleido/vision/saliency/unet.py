"""The saliency network: a U-Net from pixels to the logits that they belong to the product."""

import functools

import keras
from keras import layers, ops

from kaleido.vision.saliency.unet_marker import SIDE

WIDTHS = (16, 32, 48, 64, 96)
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the side."""


def build_unet(kernel_initializer: str = "he_normal") -> keras.Model:
    """Builds a U-Net (Ronneberger et al., MICCAI 2015) of residual blocks that add skipped maps, not concatenate them.

    The finest map has half the side, and the last layer gives four pixels for each of its positions. There is no batch
    normalisation, because a step without state would have to carry its running means; blocks start as the identity.

    Args:
        kernel_initializer: Initializer of the convolutions; `zeros` if weights are loaded afterwards, because JAX would
            compile a random generator for each of their shapes.

    Returns:
        Model from [n, 96, 96, 3] pixels in 0..255 to logits [n, 96, 96], positive on the product.
    """
    convolution = functools.partial(layers.Conv2D, padding="same", dtype="float32")
    drawn = functools.partial(convolution, kernel_initializer=kernel_initializer)

    def block(x, name):
        """Adds the output of two convolutions to a map."""
        width = x.shape[-1]
        change = layers.ReLU(name=f"{name}_relu1")(x)
        change = drawn(width, 3, name=f"{name}_conv1")(change)
        change = layers.ReLU(name=f"{name}_relu2")(change)
        change = convolution(width, 3, kernel_initializer="zeros", name=f"{name}_conv2")(change)
        return layers.Add(name=f"{name}_add")([x, change])

    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = ops.cast(pixels, "float32")
    # Standardised, so that the layers see no difference between a dark and a pale photo.
    mean, variance = ops.moments(x, axes=(1, 2, 3), keepdims=True)
    x = (x - mean) / ops.sqrt(variance + 25)
    skipped = []
    for depth, width in enumerate(WIDTHS):
        x = drawn(width, 5 if depth == 0 else 3, strides=2, name=f"down{depth}")(x)
        x = block(x, f"encode{depth}")
        skipped.append(x)
    x = block(skipped.pop(), "middle")
    for depth in reversed(range(len(WIDTHS) - 1)):
        x = drawn(WIDTHS[depth], 1, name=f"up{depth}")(x)
        x = layers.UpSampling2D(interpolation="bilinear", name=f"larger{depth}")(x)
        x = block(layers.Add(name=f"join{depth}")([x, skipped.pop()]), f"decode{depth}")
    x = drawn(4, 3, name="logits")(layers.ReLU(name="features")(x))
    half = SIDE // 2
    x = ops.transpose(ops.reshape(x, (-1, half, half, 2, 2)), (0, 1, 3, 2, 4))
    return keras.Model(pixels, ops.reshape(x, (-1, SIDE, SIDE)), name="saliency_unet")
