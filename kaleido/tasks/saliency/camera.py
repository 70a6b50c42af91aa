"""Simulates lighting and camera effects on a scene."""

import io

import numpy as np
from PIL import Image, ImageFilter

from kaleido.tasks.saliency import textures


def add_lighting(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Adds uneven light, a colour cast and a hard shadow: float32 [size, size, 3], in and out."""
    size = len(pixels)
    if random.random() < 0.6:
        light = textures.noise(random, size, *random.integers(1, 4, 2))
        pixels = pixels * (1 + np.float32(random.uniform(0.1, 0.8)) * (light[..., None] - 0.5))
    if random.random() < 0.3:
        along, across = textures.plane(random, size)
        far = np.square(along - along.mean()) + np.square(across - across.mean())
        pixels = pixels * (1 - np.float32(random.uniform(0.2, 1.2)) * np.minimum(far, 0.5)[..., None])
    if random.random() < 0.1:
        along, _ = textures.plane(random, size)
        edge = np.quantile(along, random.uniform(0.1, 0.9))
        shade = np.clip((along - edge) * np.float32(random.uniform(10, 120)), 0, 1)
        pixels = pixels * (1 - np.float32(random.uniform(0.2, 0.6)) * shade[..., None])
    if random.random() < 0.5:
        pixels = pixels * (1 + random.normal(0, 0.1, 3)).astype(np.float32)
    return pixels


def add_camera_effects(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Changes exposure, adds noise, blur, low resolution and JPEG artefacts: float32 [size, size, 3] to uint8."""
    size = len(pixels)
    if random.random() < 0.5:
        pixels = (pixels - 128) * np.float32(random.uniform(0.6, 1.3)) + np.float32(128 + random.normal(0, 15))
    if random.random() < 0.5:
        pixels = pixels + np.float32(random.uniform(1, 9)) * random.standard_normal(pixels.shape, np.float32)
    image = Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
    if random.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.0)))
    if random.random() < 0.4:
        image = image.resize(random.integers(size // 2, size, 2).tolist(), Image.Resampling.BICUBIC)
    if random.random() < 0.6:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(random.integers(35, 96)))
        image = Image.open(file)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
