"""Base class of backbones that are Keras networks."""

import keras
import numpy as np

from kaleido.vision.backbones.backbone import Backbone


class KerasBackbone(Backbone):
    """Runs a network in inference mode.

    Attributes:
        network: Keras network that computes the features.

    Args:
        network: Network from pixels [n, s, s, 3] in 0..255, for any s, to features [n, D].
        map_network: Network from the same pixels to feature maps [n, s / 16, s / 16, C].
    """

    def __init__(self, network: keras.Model, map_network: keras.Model):
        # TensorFlow's own kernels (oneDNN) run depthwise convolutions about 17 times as fast on a CPU as XLA's;
        # without XLA, JAX would run operation by operation.
        for model in (network, map_network):
            model.compile(jit_compile=keras.backend.backend() != "tensorflow")
        self.network = network
        self._map_network = map_network
        self.feature_size = network.output_shape[-1]

    def encode(self, crops: np.ndarray) -> np.ndarray:
        return np.asarray(self.network.predict_on_batch(crops))

    def encode_map(self, crops: np.ndarray) -> np.ndarray:
        return np.asarray(self._map_network.predict_on_batch(crops))
