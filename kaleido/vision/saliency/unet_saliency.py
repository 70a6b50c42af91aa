"""Finds the product in a photo by the trained network."""

from pathlib import Path

import numpy as np

from kaleido.vision.inference import inference
from kaleido.vision.saliency.unet_marker import UnetMarker
from kaleido.vision.saliency.weights import SHIPPED, load_network


class UnetSaliency(UnetMarker):
    """Marks the product, together with its wearer if there is one, before a background of any kind.

    Attributes:
        network: The network.

    Args:
        weights: Folder of a network that `kaleido saliency train` wrote; by default the one of the package.

    Raises:
        UserError: if the network cannot be read.
    """

    def __init__(self, weights: str | Path | None = None):
        self.network = load_network(Path(weights or SHIPPED))
        self._infer = inference(self.network)

    @property
    def marker(self) -> UnetMarker:
        return UnetMarker()

    def scores(self, squeezed: np.ndarray) -> np.ndarray:
        return np.asarray(self._infer(squeezed))
