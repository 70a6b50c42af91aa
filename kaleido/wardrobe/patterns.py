"""Patterns and weaves of fabrics, as functions of the position on the garment.

A pattern maps x and y (float32 [H, W], garment units) and the width of a pixel in units to the share of the second
colour, float32 [H, W] in 0..1; a weave maps them to a factor on the brightness.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Field = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _wave(x: np.ndarray, period: float) -> np.ndarray:
    """Computes the distance to the nearest multiple of the period."""
    return np.abs(x - np.floor(x * (1 / period) + 0.5) * period)


def _inside(depth: np.ndarray, pixel: float) -> np.ndarray:
    """Returns 1 where `depth` (units) is positive and 0 elsewhere, with an edge one pixel wide."""
    return np.clip(depth * (1 / pixel) + 0.5, 0, 1)


def _plain(x: np.ndarray, y: np.ndarray, pixel: float) -> np.ndarray:
    return np.zeros_like(x)


def _striped(x, y, pixel):
    return _inside(2.6 - _wave(y, 11), pixel)


def _pinstriped(x, y, pixel):
    return _inside(0.7 - _wave(x, 6), pixel)


def _checked(x, y, pixel):
    return (_inside(3 - _wave(x, 12), pixel) + _inside(3 - _wave(y, 12), pixel)) * 0.5


def _dotted(x, y, pixel):
    row = np.floor(y * (1 / 7) + 0.5)
    dx, dy = _wave(x + row * 5, 10), y - row * 7
    return _inside(2.1 - np.sqrt(dx * dx + dy * dy), pixel)


def _zigzag(x, y, pixel):
    return _inside(1.7 - _wave(y + _wave(x, 10), 9), pixel)


def _diamond(x, y, pixel):
    return _inside(5 - _wave(x, 16) - _wave(y, 22) * 0.72, pixel)


def _floral(x, y, pixel):
    row = np.floor(y * (1 / 13) + 0.5)
    dx, dy = _wave(x + row * 8, 16), y - row * 13
    bloom = np.full_like(x, -9)
    # Five petals around the centre; _wave folds x, so the three of the right half suffice.
    for px, py in ((0, -2.9), (2.8, -0.9), (1.7, 2.4)):
        bloom = np.maximum(bloom, 1.7 - np.sqrt((dx - px) * (dx - px) + (dy - py) * (dy - py)))
    return _inside(bloom, pixel)


def _colour_block(x, y, pixel):
    return _inside(y - 52, pixel)


def _smooth(x, y, pixel):
    return np.ones_like(x)


def _knit(x, y, pixel):
    return 1 - 0.13 * _inside(0.55 - _wave(y + _wave(x, 3), 2.6), pixel)


def _twill(x, y, pixel):
    return 1 - 0.08 * _inside(0.45 - _wave(x + y, 2.2), pixel)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pattern with its words: `a striped scarf`, `a scarf with stripes`."""

    field: Field
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]


PATTERNS = {
    "plain": Pattern(_plain, ("plain",), ()),
    "striped": Pattern(_striped, ("striped",), ("stripes", "horizontal stripes")),
    "pinstriped": Pattern(_pinstriped, ("pinstriped",), ("pinstripes", "thin vertical stripes")),
    "checked": Pattern(_checked, ("checked",), ("checks", "gingham checks")),
    "dotted": Pattern(_dotted, ("dotted", "polka-dot"), ("dots", "polka dots")),
    "zigzag": Pattern(_zigzag, ("zigzag",), ("zigzag lines",)),
    "diamond": Pattern(_diamond, ("diamond-patterned", "argyle"), ("diamonds",)),
    "floral": Pattern(_floral, ("floral", "flowered"), ("flowers",)),
    "colour-block": Pattern(_colour_block, ("colour-block", "two-tone"), ()),
}

WEAVES: dict[str, Field] = {"smooth": _smooth, "knit": _knit, "twill": _twill}
