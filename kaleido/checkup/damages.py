"""Damages that photos of the catalogue itself are given, to learn how damaged ones look beside the others."""

import io
import math
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from kaleido.checkup.measures import shrink

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Takes uint8 [H, W, 3] of any size and random numbers, and gives such an array, maybe of another size."""

_WORDS = ("SAMPLE", "PREVIEW", "COPYRIGHT", "shop.example", "www.store.example", "STOCK", "PROOF", "(c) Photo", "DEMO")


def blur(photo: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Blurs by a lens out of focus, a motion in any direction, or a size that was raised."""
    height, width = photo.shape[:2]
    unit = max(1.0, min(height, width) / 60)
    kind = random.integers(4)
    if kind == 3:
        factor = random.uniform(2.0, 4.0)
        small = max(4, round(width / factor)), max(4, round(height / factor))
        picture = Image.fromarray(photo).resize(small, Image.Resampling.BOX)
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
    if kind == 2:
        length = random.uniform(4.0, 10.0) * unit
        kernel = _motion(length, random.uniform(0, math.pi))
        channels = [ndimage.convolve(photo[..., c].astype(np.float32), kernel, mode="nearest") for c in range(3)]
        return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)
    sigma = math.exp(random.uniform(math.log(1.0), math.log(4.0))) * unit
    return ndimage.gaussian_filter(photo, (sigma, sigma, 0), mode="nearest")


def _motion(length: float, angle: float) -> np.ndarray:
    radius = math.ceil(length / 2)
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for step in np.linspace(-length / 2, length / 2, 8 * radius + 1):
        kernel[round(radius + step * math.sin(angle)), round(radius + step * math.cos(angle))] += 1
    return kernel / kernel.sum()


def watermark(photo: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Lays letters or a sign over the photo, once or as tiles, more or less transparent."""
    height, width = photo.shape[:2]
    kind = random.integers(3)
    if random.random() < 0.3:
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
    else:
        colour = (int(random.choice([0, 64, 128, 200, 255])),) * 3
    opacity = random.uniform(0.2, 0.9)
    side = max(height, width)
    layer = Image.new("L", (2 * side, 2 * side))
    if kind == 0:
        mark = _letters(random, side * random.uniform(0.06, 0.2))
    elif kind == 1:
        mark = _sign(random, int(side * random.uniform(0.15, 0.45)))
    else:
        mark = _letters(random, side * random.uniform(0.05, 0.1)) if random.random() < 0.7 else _sign(random, side // 6)
    if kind == 2:
        across, down = (
            mark.width + int(side * random.uniform(0.03, 0.2)),
            mark.height + int(side * random.uniform(0.05, 0.2)),
        )
        for row, top in enumerate(range(0, 2 * side, down)):
            for left in range(-(row % 2) * across // 2, 2 * side, across):
                layer.paste(mark, (left, top))
    else:
        if mark.width > width * 0.95:
            mark = mark.resize((int(width * 0.95), max(4, int(mark.height * width * 0.95 / mark.width))))
        layer.paste(mark, (side - mark.width // 2, side - mark.height // 2))
    layer = layer.rotate(float(random.choice([0, 0, 0, 30, 45, -30, -45])), Image.Resampling.BICUBIC)
    left, top = side - width // 2, side - height // 2
    if kind != 2:
        left += round(random.uniform(-0.5, 0.5) * max(0, width - mark.width))
        top += round(random.uniform(-0.5, 0.5) * max(0, height - mark.height))
    mask = layer.crop((left, top, left + width, top + height)).point(lambda value: round(value * opacity))
    picture = Image.fromarray(photo)
    picture.paste(colour, mask=mask)
    return np.asarray(picture)


def _letters(random: np.random.Generator, size: float) -> Image.Image:
    words = _WORDS[random.integers(len(_WORDS))]
    if random.random() < 0.3:
        words = "".join(chr(code) for code in random.integers(65, 91, random.integers(3, 9)))
    font = ImageFont.load_default(max(6.0, size))
    left, top, right, bottom = font.getbbox(words)
    mark = Image.new("L", (math.ceil(right - left) + 2, math.ceil(bottom - top) + 2))
    ImageDraw.Draw(mark).text(
        (1 - left, 1 - top), words, fill=255, font=font, stroke_width=int(random.integers(2)) * (size > 14)
    )
    return mark


def _sign(random: np.random.Generator, side: int) -> Image.Image:
    side = max(8, side)
    mark = Image.new("L", (side, side))
    draw, line = ImageDraw.Draw(mark), max(1, side // 12)
    box = (line, line, side - line - 1, side - line - 1)
    kind = random.integers(4)
    if kind == 0:
        draw.ellipse(box, outline=255, width=line)
        draw.text(
            (side / 2, side / 2),
            "CR"[random.integers(2)],
            fill=255,
            font=ImageFont.load_default(max(6, side // 2)),
            anchor="mm",
        )
    elif kind == 1:
        draw.rectangle(box, outline=255, width=line)
        draw.line(box, fill=255, width=line)
    elif kind == 2:
        draw.regular_polygon((side / 2, side / 2, side / 2 - line), int(random.integers(3, 7)), fill=255)
        if (inner := side / 4 - 2 * line) > 1:
            low, high = side / 2 - inner, side / 2 + inner
            draw.ellipse((low, low, high, high), fill=0)
    else:
        draw.line((0, 0, side, side), fill=255, width=line)
        draw.line((0, side, side, 0), fill=255, width=line)
    return mark


def cut(photo: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Leaves a part of the photo: cropped, or the rest of it in one colour as after a broken transfer."""
    height, width = photo.shape[:2]
    if random.random() < 0.35:
        kept = max(4, round(height * random.uniform(0.25, 0.75)))
        photo = photo.copy()
        colour = (128, 128, 128) if random.random() < 0.6 else random.choice([0, 255, 200])
        if random.random() < 0.8:
            photo[kept:] = colour
        else:
            photo[:, max(4, round(width * random.uniform(0.25, 0.75))) :] = colour
        return photo
    share = random.uniform(0.4, 0.65)
    rows, columns = product_extent(photo)
    side = random.integers(5)
    top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
    y, x = round(top + (bottom - top) * share), round(left + (right - left) * share)
    y, x = min(max(y, 4), height - 4), min(max(x, 4), width - 4)
    part = {
        0: photo[:y],
        1: photo[height - y :] if height - y < bottom - 4 else photo[y:],
        2: photo[:, :x],
        3: photo[:, x:],
        4: photo[max(0, y - height // 4) : y + height // 4, max(0, x - width // 4) : x + width // 4],
    }[int(side)]
    if random.random() < 0.6:
        part = np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BICUBIC))
    return part


def product_extent(photo: np.ndarray) -> tuple[slice, slice]:
    """Finds rows and columns that differ from the border's colour."""
    ring = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    mask = np.abs(photo.astype(np.float32) - np.median(ring, axis=0)).max(axis=-1) > 20
    if mask.sum() < 20:
        return slice(0, photo.shape[0]), slice(0, photo.shape[1])
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)


def blank(photo: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Replaces the photo by one colour, maybe with noise or a slight change of brightness."""
    height, width = photo.shape[:2]
    colour = random.integers(0, 256, 3) if random.random() < 0.5 else np.full(3, random.choice([0, 128, 200, 255]))
    slope = np.linspace(-1, 1, height)[:, None] * random.uniform(-12, 12)
    slope = slope + np.linspace(-1, 1, width) * random.uniform(-12, 12)
    noise = random.normal(0, random.choice([0, 0, 1, 3, 6, 10]), (height, width, 3))
    plain = random.random() < 0.5
    return (colour + (0 if plain else slope[..., None]) + noise).clip(0, 255).astype(np.uint8)


DAMAGES: Mapping[str, Damage] = {"blank": blank, "blurred": blur, "watermarked": watermark, "cut": cut}
"""Damages by the kind of photo that they teach."""


def damaged(photo: np.ndarray, kind: str, random: np.random.Generator) -> np.ndarray:
    """Damages a photo at the size that it is measured at and stores it as JPEG; of the kind `""` it stores it alone."""
    photo = shrink(photo)
    if kind:
        photo = DAMAGES[kind](photo, random)
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=int(random.integers(75, 96)))
    return np.asarray(Image.open(file).convert("RGB"))
