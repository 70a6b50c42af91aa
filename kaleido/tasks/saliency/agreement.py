"""Measures the overlap of predicted and true masks or boxes."""

import numpy as np

Box = tuple[float, float, float, float]


def mask_iou(found: np.ndarray, true: np.ndarray) -> float:
    """Computes the intersection over union of two masks bool [H, W]; 1 if both are empty."""
    either = np.count_nonzero(found | true)
    return np.count_nonzero(found & true) / either if either else 1.0


def box_iou(found: Box, true: Box) -> float:
    """Computes the intersection over union of two boxes [x1, y1, x2, y2], not both of area 0."""
    width = min(found[2], true[2]) - max(found[0], true[0])
    height = min(found[3], true[3]) - max(found[1], true[1])
    both = max(width, 0) * max(height, 0)
    areas = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (found, true))
    return both / (areas - both)
