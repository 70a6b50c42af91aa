"""Backdrops behind the product."""

import numpy as np

from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.palette import RGB, distance

TINTS: tuple[RGB, ...] = (
    (255, 255, 255),
    (255, 255, 255),
    (255, 255, 255),
    (232, 234, 238),
    (206, 214, 226),
    (240, 224, 210),
    (214, 228, 214),
    (238, 214, 220),
    (186, 190, 196),
)
"""Backdrop colours; white counts three times, as most catalogues use it."""

BACKDROPS = ("plain", "gradient", "linen", "speckled")


def draw_backdrop(choices: Choices, size: int, avoid: RGB) -> tuple[str, np.ndarray]:
    """Draws a backdrop whose colour differs from the product's.

    Args:
        choices: Random choices.
        size: Side of the photo in pixels.
        avoid: Main colour of the product.

    Returns:
        Its name, one of `BACKDROPS`, and its colours, float32 [size, size, 3] in 0..255.
    """
    tint = choices.pick([tint for tint in TINTS if distance(tint, avoid) > 70])
    name = choices.pick(("plain", *BACKDROPS))
    backdrop = np.empty((size, size, 3), np.float32)
    backdrop[:] = tint
    if name == "gradient":
        down = np.linspace(1, choices.between(0.72, 0.85), size, dtype=np.float32)
        backdrop *= down[:, None, None]
    elif name == "linen":
        grain = 1 - 0.05 * choices.noise(size, 1) - 0.05 * choices.noise(1, size)
        backdrop *= grain[:, :, None]
    elif name == "speckled":
        backdrop *= (1 - 0.12 * choices.noise(size, size))[:, :, None]
    return name, backdrop
