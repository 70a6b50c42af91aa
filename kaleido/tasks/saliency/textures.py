"""Draws random textures that resemble floors, walls, covers and cloth.

A field is float32 [size, size], about 0..1; a surface is float32 [size, size, 3] in 0..255. All functions draw from the
random generator that they receive.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

Field = Callable[[np.random.Generator, int], np.ndarray]

_WOOD_AND_STONE = ((196, 154, 108), (120, 78, 48), (222, 200, 168), (88, 62, 50), (150, 148, 144), (206, 204, 198))
_CHANNELS = np.arange(3, dtype=np.float32)


def colour(random: np.random.Generator) -> np.ndarray:
    """Draws a colour of wood or stone, a greyish colour, or any colour: float32 [3]."""
    kind = random.random()
    if kind < 0.35:
        base = np.array(_WOOD_AND_STONE[random.integers(len(_WOOD_AND_STONE))], np.float32)
        return np.clip(base * random.uniform(0.6, 1.2) + random.normal(0, 10, 3), 0, 255).astype(np.float32)
    value = 255 * random.random() ** 0.8
    saturation = 0.1 * random.random() if kind < 0.6 else random.random()
    hue = np.abs((6 * random.random() + 2 * _CHANNELS) % 6 - 3) - 1
    return (value * (1 - saturation * (1 - np.clip(hue, 0, 1)))).astype(np.float32)


def noise(random: np.random.Generator, size: int, rows: int, columns: int) -> np.ndarray:
    """Draws a smooth field with `rows` x `columns` cells of noise."""
    grid = random.random((rows + 1, columns + 1), np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def fractal(random: np.random.Generator, size: int, hills: int, octaves: int) -> np.ndarray:
    """Draws fractal noise: the sum of `octaves` layers, the coarsest with `hills` cells per side."""
    layers = [noise(random, size, hills << octave, hills << octave) / (1 << octave) for octave in range(octaves)]
    return sum(layers) / (2 - 0.5 ** (octaves - 1))


def plane(random: np.random.Generator, size: int, angle: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates along and across a direction, random if no angle is given, in units of the size."""
    angle = random.uniform(0, np.pi) if angle is None else angle
    x = (np.arange(size, dtype=np.float32) + 0.5) / size
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * x[:, None] + 1, cos * x[:, None] - sin * x + 1


def _soft(random, size):
    return noise(random, size, *random.integers(1, 4, 2))


def _grain(random, size):
    return fractal(random, size, int(random.integers(16, 48)), 2)


def _clouds(random, size):
    return fractal(random, size, int(random.integers(2, 8)), 4)


def _stripes(random, size):
    along, _ = plane(random, size)
    return (along * random.uniform(2, 16) % 1 < random.uniform(0.2, 0.8)).astype(np.float32)


def _planks(random, size):
    along, across = plane(random, size, None if random.random() < 0.5 else random.choice([0, np.pi / 2]))
    row = along * random.uniform(3, 10)
    tones = random.random(32, np.float32)[row.astype(int) % 32]
    fine = noise(random, size, *random.permutation([int(random.integers(3, 8)), int(random.integers(24, 64))]))
    gap = (row % 1 < 0.06) | ((across * 1.5 + tones * 7) % 1 < 0.01)
    return np.where(gap, -0.3, 0.6 * tones + 0.4 * fine).astype(np.float32)


def _tiles(random, size):
    cells, line = random.uniform(2, 9), random.uniform(0.02, 0.1)
    along, across = plane(random, size)
    return ((along * cells % 1 < line) | (across * cells % 1 < line)).astype(np.float32)


def _checks(random, size):
    along, across = plane(random, size)
    cells = random.uniform(2, 10)
    return ((along * cells % 1 < 0.5).astype(np.float32) + (across * cells % 1 < 0.5)) / 2


def _dots(random, size):
    along, across = plane(random, size)
    cells = random.uniform(4, 14)
    return (np.hypot(along * cells % 1 - 0.5, across * cells % 1 - 0.5) < random.uniform(0.15, 0.4)).astype(np.float32)


def _blotches(random, size):
    field = fractal(random, size, int(random.integers(4, 16)), 2)
    return np.clip((field - random.uniform(0.4, 0.6)) * random.uniform(6, 30) + 0.5, 0, 1)


def _patches(random, size):
    spots = random.random((int(random.integers(4, 14)), 2), np.float32)
    x = (np.arange(size, dtype=np.float32) + 0.5) / size
    far = np.abs if random.random() < 0.5 else np.square
    nearest = (far(x - spots[:, :1, None]) + far(x[:, None] - spots[:, 1:, None])).argmin(axis=0)
    return random.random(len(spots), np.float32)[nearest]


FIELDS: tuple[Field, ...] = (
    *(_soft, _soft, _grain, _grain, _clouds, _clouds, _planks, _planks),
    *(_stripes, _tiles, _checks, _dots, _blotches, _blotches, _patches),
)


def folds(random: np.random.Generator, size: int) -> np.ndarray:
    """Draws the shading of folded cloth: a field around 0.5."""
    along, across = plane(random, size)
    bent = noise(random, size, 3, 3) * random.uniform(0.3, 1.5)
    waves = np.sin((along + 0.3 * across * random.random() + bent) * random.uniform(6, 40)) * noise(random, size, 4, 4)
    return (0.5 + 0.35 * waves + 0.5 * (fractal(random, size, int(random.integers(3, 10)), 2) - 0.5)).astype(np.float32)


def surface(random: np.random.Generator, size: int) -> np.ndarray:
    """Draws a surface: a pattern of two or three colours, with random contrast, sometimes with folds."""
    first, second = colour(random), colour(random)
    second = first + (second - first) * np.float32(random.random())
    share = FIELDS[random.integers(len(FIELDS))](random, size)
    pixels = first + (second - first) * share[..., None]
    if random.random() < 0.4:
        share = FIELDS[random.integers(len(FIELDS))](random, size)[..., None] * np.float32(random.uniform(0.1, 0.8))
        pixels += (colour(random) - pixels) * share
    if random.random() < 0.4:
        pixels *= 1 + np.float32(random.uniform(0.1, 0.9)) * (folds(random, size)[..., None] - 0.5)
    if random.random() < 0.6:
        pixels *= 1 + np.float32(random.uniform(0.05, 0.4)) * (_grain(random, size)[..., None] - 0.5)
    return pixels
