"""Composites products on random backgrounds, which gives photos with exact masks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kaleido.tasks.saliency import backgrounds, camera, textures
from kaleido.tasks.saliency.wearer import UPPER, draw_wearer

_MESH = 4
"""Number of cells per side of the grid that deforms a product."""


class Cutout(NamedTuple):
    """A product without background.

    Attributes:
        pixels: uint8 [s, s, 4], RGBA.
        worn: Part of the body that it covers, one of `wearer.WORN`; empty for products that are not worn on the body.
    """

    pixels: np.ndarray
    worn: str = ""


class Scene(NamedTuple):
    """A photo with its true mask.

    Attributes:
        photo: uint8 [size, size, 3].
        mask: uint8 [size, size], share of each pixel that the product and its wearer cover, times 255.
    """

    photo: np.ndarray
    mask: np.ndarray


def draw_scene(cutouts: Sequence[Cutout], index: int, size: int, seed: Sequence[int]) -> Scene:
    """Draws a scene with one product.

    Args:
        cutouts: Products; another one can be partly visible at the border of the scene.
        index: Number of the scene's product in `cutouts`.
        size: Width and height in pixels; photos that are not square are squeezed, as the network sees them.
        seed: Seed of all draws, for example (seed, epoch, index).

    Returns:
        A scene in which at least part of the product is visible.
    """
    random = np.random.default_rng(seed)
    cutout = cutouts[index]
    product = Image.fromarray(_restyled(cutout, random))
    at_home = random.random() < 0.5
    worn = bool(cutout.worn) and random.random() < (0.15 if at_home else 0.45)
    if worn:
        product = draw_wearer(product, cutout.worn, random)
    pixels = (backgrounds.room if at_home else backgrounds.studio)(random, size)
    if at_home and random.random() < 0.15:
        _draw_partial_product(pixels, cutouts[int(random.integers(len(cutouts)))], random)
    placed = np.asarray(_placed(product, size, random, upright=not at_home or worn, most=1.3 if worn else 1))
    alpha = placed[..., 3:].astype(np.float32) / 255
    if at_home and cutout.worn == UPPER and not worn and random.random() < 0.25:
        _hang(pixels, alpha[..., 0], random)
    if random.random() < 0.6:
        pixels = pixels * (1 - _shadow(alpha[..., 0], random)[..., None])
    pixels += (placed[..., :3] - pixels) * alpha
    if at_home or random.random() < 0.3:
        pixels = camera.add_lighting(pixels, random)
    return Scene(camera.add_camera_effects(pixels, random), placed[..., 3])


def _restyled(cutout: Cutout, random: np.random.Generator) -> np.ndarray:
    """Changes colours, cloth, wrinkles and print of a product, so that the network does not learn the drawing style.

    Returns:
        uint8 [s, s, 4], RGBA.
    """
    size = len(cutout.pixels)
    colours = cutout.pixels[..., :3].astype(np.float32)
    if random.random() < 0.5:
        gain = random.uniform(0.5, 1.3) * (1 + random.normal(0, 0.15, 3))
        colours = colours[..., random.permutation(3)] * gain.astype(np.float32)
    if random.random() < 0.35:
        # Keeps the shading, seams and contours of the drawing.
        light = colours.mean(axis=-1, keepdims=True)
        inside = cutout.pixels[..., 3:] > 127
        colours = textures.surface(random, size) * (light / max(1.0, light[inside].mean()))
    if random.random() < 0.25:
        colours = np.where(_print(size, random)[..., None], textures.surface(random, size), colours)
    if random.random() < 0.7:
        colours = colours * (1 + np.float32(random.uniform(0.1, 0.9)) * (textures.folds(random, size)[..., None] - 0.5))
    return np.concatenate([np.clip(colours, 0, 255).astype(np.uint8), cutout.pixels[..., 3:]], axis=-1)


def _print(size, random):
    """Draws the area of a print on the product: bool [size, size]."""
    x = (np.arange(size) + 0.5) / size
    far = np.square((x - random.uniform(0.4, 0.6)) / random.uniform(0.05, 0.25))
    down = np.square((x[:, None] - random.uniform(0.3, 0.6)) / random.uniform(0.05, 0.25))
    return (far + down < 1) if random.random() < 0.5 else np.maximum(far, down) < 1


def _placed(
    product: Image.Image, size: int, random: np.random.Generator, upright: bool, most: float = 1.0
) -> Image.Image:
    """Rotates, deforms and places the product in the frame, sometimes partly outside: RGBA [size, size]."""
    left, top, right, bottom = product.getbbox() or (0, 0, *product.size)
    angle = random.normal(0, 0.05) if upright else random.normal(0, 0.2)
    if not upright and random.random() < 0.12:
        angle = random.uniform(-np.pi, np.pi)
    squeeze = np.exp(random.normal(0.1, 0.22))  # photos are more often high than wide
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]]) * np.array([[squeeze**0.5], [squeeze**-0.5]])
    if random.random() < 0.5:
        turn[:, 0] *= -1
    extent = np.abs(turn) @ np.array([right - left, bottom - top])
    fill = random.uniform(0.35, 0.6) if random.random() < 0.1 else random.uniform(0.6, 1.15)
    scale = fill * most * size / extent.max()
    shown = scale * extent
    slack = np.maximum(size - shown, 0) / 2
    centre = size / 2 + random.uniform(-1, 1, 2) * slack + random.normal(0, 0.04, 2) * size * (random.random() < 0.4)
    if scale < 0.6:  # the filter below looks at neighbouring pixels only
        product = product.reduce(2)
        scale, left, top, right, bottom = scale * 2, left / 2, top / 2, right / 2, bottom / 2

    edges = np.linspace(0, size, _MESH + 1)
    nodes = np.stack(np.meshgrid(edges, edges, indexing="ij"), axis=-1)[..., ::-1]
    source = (nodes - centre) @ np.linalg.inv(scale * turn).T + np.array([left + right, top + bottom]) / 2
    bend = random.uniform(0, 0.05) if random.random() < 0.7 else 0.0
    source += random.normal(0, 1, source.shape) * bend * max(right - left, bottom - top)
    whole = np.rint(edges).astype(int).tolist()
    mesh = []
    for i in range(_MESH):
        for j in range(_MESH):
            corners = source[i, j], source[i + 1, j], source[i + 1, j + 1], source[i, j + 1]
            box = (whole[j], whole[i], whole[j + 1], whole[i + 1])
            mesh.append((box, tuple(np.concatenate(corners).tolist())))
    return product.transform((size, size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def _shadow(alpha: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draws the shadow of the product on the background, as a share of the light: float32 [size, size]."""
    shift = random.integers(-len(alpha) // 16, len(alpha) // 16 + 1, 2)
    shade = Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(random.uniform(1, 6)))
    moved = np.roll(np.asarray(shade, np.float32), shift, axis=(0, 1))
    return moved * np.float32(random.uniform(0.05, 0.6) / 255)


def _draw_partial_product(pixels: np.ndarray, cutout: Cutout, random: np.random.Generator) -> None:
    """Draws another product, partly outside the frame, in place."""
    size = len(pixels)
    other = np.asarray(_placed(Image.fromarray(_restyled(cutout, random)), size, random, upright=False))
    away = int(size * random.uniform(0.55, 0.85)) * random.choice([-1, 1])
    axis = int(random.integers(2))
    moved = np.roll(other, away, axis)
    moved = moved * _kept(size, away, axis)
    alpha = moved[..., 3:].astype(np.float32) / 255
    pixels += (moved[..., :3] - pixels) * alpha


def _kept(size, away, axis):
    """Marks the pixels that a roll by `away` did not wrap around, as uint8 that broadcasts to [size, size, 1]."""
    place = np.arange(size)
    kept = (place >= away if away > 0 else place < size + away).astype(np.uint8)
    return kept[:, None, None] if axis == 0 else kept[None, :, None]


def _hang(pixels: np.ndarray, alpha: np.ndarray, random: np.random.Generator) -> None:
    """Draws a hanger whose hook is visible above the product, in place."""
    rows, columns = np.nonzero(alpha > 0.5)
    if not len(rows):
        return
    size, x, y = len(pixels), columns.mean(), rows.min()
    hook = Image.new("L", (size, size))
    draw, high = ImageDraw.Draw(hook), random.uniform(0.05, 0.12) * size
    draw.line([(x, y + 0.1 * size), (x, y - high / 2)], 255, 1)
    draw.arc((x - high / 3, y - high, x + high / 3, y - high / 2), 150, 90, 255, 1)
    draw.line([(x - 0.2 * size, y + 0.1 * size), (x, y), (x + 0.2 * size, y + 0.1 * size)], 255, 3)
    pixels += (textures.colour(random) - pixels) * (np.asarray(hook, np.float32)[..., None] / 255)
