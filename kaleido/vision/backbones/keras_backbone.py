"""Base class of backbones that are Keras networks."""

from typing import Any

import keras
import numpy as np

from kaleido.vision.backbones.backbone import Backbone
from kaleido.vision.inference import inference


class KerasBackbone(Backbone):
    """Runs a network in inference mode.

    Attributes:
        network: Keras network that computes the features.

    Args:
        network: Network from pixels [n, s, s, 3] in 0..255, for any s, to features [n, D].
        map_network: Network from the same pixels to feature maps [n, s / 16, s / 16, C].
    """

    def __init__(self, network: keras.Model, map_network: keras.Model):
        self.network = network
        self._infer, self._infer_map = inference(network), inference(map_network)
        self.feature_size = network.output_shape[-1]

    def dispatch(self, crops: np.ndarray) -> Any:
        return self._infer(crops)

    def dispatch_map(self, crops: np.ndarray) -> Any:
        return self._infer_map(crops)
