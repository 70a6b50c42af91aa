"""Draws random backgrounds: a plain studio, or a room with surfaces and objects."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kaleido.tasks.saliency import textures


def studio(random: np.random.Generator, size: int) -> np.ndarray:
    """Draws a studio: white or another plain colour, sometimes darker to one side: float32 [size, size, 3]."""
    kind = random.random()
    if kind < 0.5:
        base = np.full(3, 255, np.float32)
    elif kind < 0.8:
        base = (random.uniform(215, 255) + random.normal(0, 4, 3)).astype(np.float32)
    else:
        base = textures.colour(random)
    pixels = np.broadcast_to(base, (size, size, 3)).astype(np.float32)
    if random.random() < 0.35:
        along, _ = textures.plane(random, size)
        fall = (along - along.min()) / np.ptp(along)
        pixels *= 1 - np.float32(random.uniform(0.05, 0.4)) * fall[..., None] ** np.float32(random.uniform(0.5, 3))
    return pixels


def room(random: np.random.Generator, size: int) -> np.ndarray:
    """Draws a room: one or two surfaces that meet at an edge, with objects on them: float32 [size, size, 3]."""
    pixels = textures.surface(random, size)
    if random.random() < 0.4:
        along, _ = textures.plane(random, size)
        bend = np.float32(random.uniform(0, 0.15)) * textures.noise(random, size, 2, 2)
        beyond = along + bend > np.quantile(along, random.uniform(0.6, 0.95))
        pixels = np.where(beyond[..., None], textures.surface(random, size), pixels)
    for _ in range(int(random.integers(0, 6)) if random.random() < 0.6 else 0):
        _draw_object(pixels, random)
    return pixels


def _draw_object(pixels: np.ndarray, random: np.random.Generator) -> None:
    """Draws a polygon, an ellipse or a bar on the picture, mostly near its border, in place."""
    size = len(pixels)
    centre = random.random(2) if random.random() < 0.3 else np.where(random.random(2) < 0.5, -0.02, 1.02)
    if random.random() < 0.6:
        centre[random.integers(2)] = random.random()
    half = random.uniform(0.02, 0.25, 2)
    shape = Image.new("L", (size, size))
    draw = ImageDraw.Draw(shape)
    kind = random.integers(3)
    if kind == 0:
        draw.ellipse([*(size * (centre - half)).tolist(), *(size * (centre + half)).tolist()], 255)
    elif kind == 1:
        turns = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 8))))
        points = size * (centre + np.stack([np.cos(turns), np.sin(turns)], 1) * half)
        draw.polygon([tuple(point) for point in points.tolist()], 255)
    else:
        ends = size * (centre + random.normal(0, 0.5, (2, 2)))
        draw.line([tuple(end) for end in ends.tolist()], 255, int(random.integers(1, 7)))
    opacity = np.asarray(shape.filter(ImageFilter.BoxBlur(random.uniform(0, 1.5))), np.float32)[..., None] / 255
    paint = textures.surface(random, size) if random.random() < 0.25 else textures.colour(random)
    pixels += (paint - pixels) * opacity
