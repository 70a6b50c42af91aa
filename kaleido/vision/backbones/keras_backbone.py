"""What backbones that are Keras networks have in common."""

import keras
import numpy as np

from kaleido.vision.backbones.backbone import Backbone


class KerasBackbone(Backbone):
    """Runs a network in inference mode.

    Attributes:
        network: What runs.

    Args:
        network: [n, s, s, 3] pixels in 0..255, for any s -> [n, D].
    """

    def __init__(self, network: keras.Model):
        # TensorFlow's own kernels (oneDNN) run depthwise convolutions about 17 times as fast on a CPU as XLA's;
        # without XLA, JAX would run operation by operation.
        network.compile(jit_compile=keras.backend.backend() != "tensorflow")
        self.network = network
        self.feature_size = network.output_shape[-1]

    def encode(self, crops: np.ndarray) -> np.ndarray:
        return np.asarray(self.network.predict_on_batch(crops))
