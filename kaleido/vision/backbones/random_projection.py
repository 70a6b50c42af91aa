"""Features without a trained network, for tests and dry runs."""

import numpy as np

from kaleido.vision.backbones.backbone import Backbone


class RandomProjection(Backbone):
    """Applies a fixed random layer to a thumbnail of the crop, so that similar crops have similar features.

    Args:
        feature_size: Length D of a feature vector.
        seed: Seed of the layer's weights.

    Attributes:
        kernel: Weights of the layer, float32 [3 * THUMBNAIL**2, D].
        bias: float32 [D].
    """

    name = "random"
    crop_sizes = (16, 16, 16, 16, 16)

    THUMBNAIL = 8
    """Side of the thumbnail in pixels; crops must not be smaller."""

    MAP_CELL = 16
    """Side of a cell of a feature map in pixels; its features are the mean colours."""

    def __init__(self, feature_size: int = 64, seed: int = 0):
        inputs = 3 * self.THUMBNAIL**2
        random = np.random.default_rng(seed)
        self.feature_size = feature_size
        # Uniform draws, unlike normal ones, are the same bits on every machine.
        self.kernel = (random.uniform(-1, 1, (inputs, feature_size)) * np.sqrt(3 / inputs)).astype(np.float32)
        self.bias = random.uniform(-1, 1, feature_size).astype(np.float32)

    def dispatch(self, crops: np.ndarray) -> np.ndarray:
        size = crops.shape[1]
        starts = np.arange(self.THUMBNAIL) * size // self.THUMBNAIL
        counts = np.diff(starts, append=size).astype(np.float32)
        sums = np.add.reduceat(np.add.reduceat(crops, starts, 1, np.float32), starts, 2)
        thumbnails = sums / (counts[:, None, None] * counts[:, None]) / 127.5 - 1
        # Crop by crop: one product of all would round a crop's sums by its place among the others on some processors.
        products = thumbnails.reshape(len(crops), 1, -1) @ self.kernel
        return np.maximum(products[:, 0] + self.bias, 0)

    def dispatch_map(self, crops: np.ndarray) -> np.ndarray:
        side = crops.shape[1] // self.MAP_CELL
        pixels = crops.reshape(len(crops), side, self.MAP_CELL, side, self.MAP_CELL, 3)
        return pixels.mean((2, 4), dtype=np.float32) / 127.5 - 1
