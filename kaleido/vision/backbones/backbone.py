"""Interface of all backbones."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Backbone(ABC):
    """Encodes square crops, preprocessing included.

    With equal batch and crop sizes, `encode` depends on the crop alone: the same crop gives the same bits at any place
    of any batch. Another batch size or another processor may change the last bits.

    Attributes:
        name: Name that `create_backbone` takes.
        feature_size: Length D of a feature vector.
        crop_sizes: Default sides of the crops of levels 1 to 5, in pixels.
    """

    name: str
    feature_size: int
    crop_sizes: tuple[int, int, int, int, int]

    @abstractmethod
    def dispatch(self, crops: np.ndarray) -> Any:
        """Starts encoding a batch; `np.asarray` of the result waits for what `encode` returns, float32 or float16.

        Args:
            crops: uint8 [n, s, s, 3], RGB, which must stay as it is until then.
        """

    @abstractmethod
    def dispatch_map(self, crops: np.ndarray) -> Any:
        """Starts `encode_map`, as `dispatch` starts `encode`."""

    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Encodes a batch.

        Args:
            crops: uint8 [n, s, s, 3], RGB.

        Returns:
            float32 [n, feature_size].
        """
        return np.asarray(self.dispatch(crops), np.float32)

    def encode_map(self, crops: np.ndarray) -> np.ndarray:
        """Encodes crops to feature maps, before features are averaged over the crop.

        Args:
            crops: uint8 [n, s, s, 3], RGB; s a multiple of 16.

        Returns:
            float32 [n, s / 16, s / 16, C].
        """
        return np.asarray(self.dispatch_map(crops), np.float32)
