"""Draws a wearer for a garment: skin, hair, and plain clothes where the garment ends.

Many catalogue photos show garments worn, and the salient object is then the person.
"""

import numpy as np
from PIL import Image, ImageDraw

from kaleido.tasks.saliency import textures

_SKINS = ((255, 219, 190), (240, 196, 160), (222, 170, 130), (196, 140, 100), (150, 100, 66), (96, 62, 44))
_HAIR = ((24, 20, 18), (44, 30, 22), (84, 56, 34), (150, 110, 64), (110, 108, 106))

UPPER, LOWER, WHOLE = WORN = ("upper", "lower", "whole")
"""Parts of the body that a garment can cover."""


def draw_wearer(garment: Image.Image, worn: str, random: np.random.Generator) -> Image.Image:
    """Draws a wearer behind a garment.

    Args:
        garment: Square RGBA image of the garment.
        worn: Part of the body that the garment covers, one of `WORN`.
        random: Random generator.

    Returns:
        RGBA image of twice the width and height, with the garment in the middle.
    """
    side = garment.width
    image = Image.new("RGBA", (2 * side, 2 * side))
    left, top, right, bottom = garment.getbbox() or (0, 0, side, side)
    offset = side // 2
    body = _Body(ImageDraw.Draw(image), random, (left + right) / 2 + offset, top + offset, right - left, bottom - top)
    if worn == LOWER:
        body.draw_feet()
        body.draw_torso()
    else:
        body.draw_legs(bare=worn == WHOLE)
        body.draw_arms()
        body.draw_head()
    image.alpha_composite(garment, (offset, offset))
    return image


class _Body:
    """Draws limbs around a garment whose top centre is at (`x`, `y`); lengths are relative to its width or height."""

    def __init__(self, draw, random, x, y, width, height):
        self._draw, self._random = draw, random
        self._x, self._y, self._width, self._height = x, y, width, height
        self._skin = _toned(_SKINS, random)
        self._cloth = _shade(textures.colour(random))

    def draw_head(self):
        head = self._random.uniform(0.09, 0.13) * self._height
        x, y = self._x + self._random.normal(0, 0.02) * self._width, self._y - 1.2 * head
        hair = _toned(_HAIR, self._random)
        length = self._random.choice([1.15, 1.2, 2.4])
        self._draw.rounded_rectangle((x - 1.15 * head, y - 1.5 * head, x + 1.15 * head, y + length * head), head, hair)
        self._limb(((x, y), (self._x, self._y + 0.08 * self._height)), 0.9 * head, self._skin)
        self._draw.ellipse((x - head, y - 1.25 * head, x + head, y + 1.3 * head), self._skin)

    def draw_arms(self):
        for side in (-1, 1):
            spread, fall = self._random.uniform(0.3, 0.62), self._random.uniform(0.6, 0.95)
            shoulder = (self._x + side * 0.28 * self._width, self._y + 0.14 * self._height)
            elbow = (self._x + side * 0.47 * self._width, self._y + 0.45 * self._height)
            hand = (self._x + side * spread * self._width, self._y + fall * self._height)
            self._limb((shoulder, elbow, hand), 0.085 * self._height, self._skin)

    def draw_legs(self, bare):
        down = self._y + self._random.uniform(1.3, 2.2) * self._height
        thickness = (0.11 if bare else 0.2) * self._height * (0.6 if self._height > 1.5 * self._width else 1)
        for side in (-1, 1):
            hip = (self._x + side * 0.1 * self._width, self._y + 0.85 * self._height)
            foot = (self._x + side * self._random.uniform(0.08, 0.2) * self._width, down)
            self._limb((hip, foot), thickness, self._skin if bare else self._cloth)

    def draw_torso(self):
        half, rise = 0.42 * self._width, self._random.uniform(0.3, 0.6) * self._height
        box = (self._x - half, self._y - rise, self._x + half, self._y + 0.1 * self._height)
        self._draw.rounded_rectangle(box, 0.3 * half, self._cloth)
        for side in (-1, 1):
            shoulder, hand = (self._x + side * half, self._y - 0.9 * rise), (self._x + side * 1.3 * half, self._y)
            self._limb((shoulder, hand), 0.3 * half, self._skin if self._random.random() < 0.5 else self._cloth)

    def draw_feet(self):
        for side in (-1, 1):
            x, y = self._x + side * 0.25 * self._width, self._y + self._height
            self._limb(((x, y - 0.3 * self._height), (x, y + 0.1 * self._height)), 0.16 * self._width, self._skin)
            foot = (x - 0.12 * self._width, y + 0.05 * self._height, x + 0.12 * self._width, y + 0.13 * self._height)
            self._draw.ellipse(foot, self._cloth)

    def _limb(self, course, thickness, fill):
        self._draw.line(course, fill, max(1, round(thickness)), joint="curve")


def _toned(colours, random):
    base = np.array(colours[random.integers(len(colours))], np.float32)
    return _shade(base * random.uniform(0.85, 1.1))


def _shade(colour):
    return (*np.clip(colour, 0, 255).astype(int).tolist(), 255)
