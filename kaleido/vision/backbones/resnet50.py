"""ResNet-50, the paper's backbone."""

from pathlib import Path

import keras

from kaleido.errors import UserError
from kaleido.vision.backbones.keras_backbone import KerasBackbone

SUFFIXES = (".h5", ".keras")
MAP_LAYER = "conv4_block6_out"
"""Name of the last layer with 16 pixels per cell; it has 1024 channels."""


class ResNet50(KerasBackbone):
    """2048 features, averaged over the last feature map.

    Args:
        weights: `.h5`, `.weights.h5` or `.keras` file of the network without its classifier; by default ImageNet's,
            which Keras downloads once.

    Raises:
        UserError: if the download fails, or the file does not hold the weights of this network.
    """

    name = "resnet50"
    crop_sizes = (224, 224, 224, 224, 224)

    def __init__(self, weights: str | None = None):
        pixels = keras.Input((None, None, 3))
        network = _imagenet() if weights is None else _from_file(Path(weights))
        ready = keras.applications.resnet50.preprocess_input(pixels)
        cells = keras.Model(network.input, network.get_layer(MAP_LAYER).output)
        super().__init__(keras.Model(pixels, network(ready)), keras.Model(pixels, cells(ready)))


def _imagenet() -> keras.Model:
    try:
        return keras.applications.ResNet50(include_top=False, pooling="avg", weights="imagenet")
    except Exception as error:  # Keras' downloader raises bare exceptions
        raise UserError(
            "cannot download the ImageNet weights of resnet50; fetch "
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 elsewhere and name it by "
            "--prepare_config.backbone_weights FILE"
        ) from error


def _from_file(path: Path) -> keras.Model:
    if path.suffix not in SUFFIXES or not path.is_file():
        raise UserError(f"weights of resnet50 must be a .h5, .weights.h5 or .keras file. Received: {path}")
    network = keras.applications.ResNet50(include_top=False, pooling="avg", weights=None)
    try:
        network.load_weights(path)  # reads only arrays, from a .keras file as well: nothing is executed
    except Exception as error:  # h5py, zipfile and Keras raise errors of their own
        raise UserError(
            f"{path} does not hold the weights of resnet50 without its classifier (include_top=False)"
        ) from error
    return network
