"""Drawing of products with photos, masks and texts; each depends on the seed and its index alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kaleido.catalog.product import Part, Photo, Product
from kaleido.wardrobe.backdrops import draw_backdrop
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import BACK, FRONT, VIEWS, ZOOM, Design, Piece
from kaleido.wardrobe.look import Look, choose_look
from kaleido.wardrobe.painter import Painting, box_of, paint
from kaleido.wardrobe.palette import COLOURS
from kaleido.wardrobe.raster import Placement
from kaleido.wardrobe.taxonomy import TAXONOMY
from kaleido.wardrobe.wording import describe

_KINDS = [(category, name, make) for category, kinds in TAXONOMY.items() for name, make in kinds.items()]
_SHADOW = 0.22
"""Darkness of a product's shadow on its backdrop."""


@dataclass(frozen=True, slots=True)
class DrawnProduct:
    """Product with its pictures.

    Attributes:
        product: Product whose photos have true boxes and parts.
        photos: RGB pictures by photo uri.
        masks: Grey pictures by mask uri, 255 on the product and 0 elsewhere.
    """

    product: Product
    photos: dict[str, Image.Image]
    masks: dict[str, Image.Image]


def draw_products(count: int, seed: int, photo_size: int = 192, first: int = 0) -> Iterator[DrawnProduct]:
    """Draws products.

    Args:
        count: Number of products.
        seed: Seed of all random choices.
        photo_size: Side of the square photos in pixels.
        first: Index of the first product; product i depends on the seed and i alone.
    """
    for index in range(first, first + count):
        yield _draw_product(seed, index, photo_size)


def draw_cutout(seed: int, index: int, size: int) -> tuple[str, np.ndarray]:
    """Draws the front or the back of product `index` without a backdrop.

    Returns:
        Its category, and RGBA uint8 [size, size, 4].
    """
    choices, category, _, design, look = _choose(seed, index)
    view = choices.pick([view for view in design.views if view != ZOOM])
    painting = paint(design, look, _place(choices, design, view, (), size), size, back=view == BACK)
    alpha = painting.alpha[..., None]
    rgba = np.concatenate([painting.colour / np.maximum(alpha, 1 / 255), 255 * alpha], axis=-1)
    return category, np.clip(rgba + 0.5, 0, 255).astype(np.uint8)


def _choose(seed: int, index: int) -> tuple[Choices, str, str, Design, Look]:
    choices = Choices(seed, index)
    category, subcategory, make = choices.pick(_KINDS)
    design = make(choices)
    return choices, category, subcategory, design, choose_look(choices, design)


def _draw_product(seed: int, index: int, size: int) -> DrawnProduct:
    choices, category, subcategory, design, look = _choose(seed, index)
    wording = describe(choices, design, look)

    identifier = f"wardrobe-{index:06d}"
    records, photos, masks = [], {}, {}
    for number, view in enumerate(_views(choices, design)):
        placement = _place(choices, design, view, wording.words, size)
        painting = paint(design, look, placement, size, back=view == BACK)
        name = f"{identifier}-{number}"
        uri, mask_uri = f"photos/{name}.png", f"masks/{name}.png"
        mask = painting.alpha >= 0.5
        photos[uri] = Image.fromarray(_compose(choices, painting, look, shadow=view != ZOOM))
        masks[mask_uri] = Image.fromarray(mask.astype(np.uint8) * 255)
        parts = tuple(Part(part, wording.words[part], box) for part, box in painting.boxes if part in wording.words)
        records.append(Photo(name, uri, view, mask_uri, box_of(mask), parts))

    attributes = {"colour": look.main, "pattern": look.pattern}
    product = Product(
        id=identifier,
        title=wording.title,
        photos=tuple(records),
        description=wording.description,
        category=category,
        subcategory=subcategory,
        attributes=attributes,
    )
    return DrawnProduct(product, photos, masks)


def _views(choices: Choices, design: Design) -> list[str]:
    """Chooses the views of the photos: the front, then up to three more."""
    others = choices.shuffled([view for view in (*VIEWS, ZOOM) if view in design.views])
    others.remove(FRONT)
    return [FRONT, *others[: choices.pick((0, 1, 1, 2, 2, 3))]]


def _place(choices: Choices, design: Design, view: str, words: Iterable[str], size: int) -> Placement:
    """Places the whole product, or for the zoom view a described part or the upper half, so that it fills the photo."""
    x1, y1, x2, y2 = _extent([piece for feature in design.features for piece in feature.pieces])
    side = max(x2 - x1, y2 - y1)
    shift_x, shift_y = choices.between(-0.015, 0.015) * size, choices.between(-0.015, 0.015) * size
    target = (size / 2 + shift_x, size / 2 + shift_y)
    tilt = choices.between(-0.035, 0.035)  # tangent of half the angle: up to 4 degrees
    if view != ZOOM:
        scale = choices.between(0.82, 0.9) * size / side
        return Placement(scale, tilt, ((x1 + x2) / 2, (y1 + y2) / 2), target, flipped=view == BACK)
    described = [f.pieces for f in design.features if f.name in words and any(p.front for p in f.pieces)]
    if described and choices.chance(0.7):
        part = _extent(choices.pick(described))
    else:
        part = (x1, y1, x2, (y1 + y2) / 2)
    window = max(1.3 * (part[2] - part[0]), 1.3 * (part[3] - part[1]), side * choices.between(0.42, 0.55))
    anchor = ((part[0] + part[2]) / 2, (part[1] + part[3]) / 2)
    return Placement(size / min(window, side), tilt, anchor, target)


def _extent(pieces: Iterable[Piece]) -> tuple[float, float, float, float]:
    """Computes the bounding box of the pieces visible from the front, in garment units."""
    shapes = [shape for piece in pieces if piece.front for shape in (piece.contours(), piece.border())]
    points = np.concatenate([shape.reshape(-1, 2) for shape in shapes if shape is not None])
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _compose(choices: Choices, painting: Painting, look: Look, shadow: bool) -> np.ndarray:
    """Draws the product in front of a backdrop: uint8 [size, size, 3]."""
    size = len(painting.alpha)
    _, photo = draw_backdrop(choices, size, COLOURS[look.main])
    if shadow and choices.chance(0.5):
        photo *= (1 - _SHADOW * _blurred(painting.alpha, size // 40, size // 32))[..., None]
    photo *= 1 - painting.alpha[..., None]
    photo += painting.colour
    return np.clip(photo + 0.5, 0, 255).astype(np.uint8)


def _blurred(alpha: np.ndarray, radius: int, drop: int) -> np.ndarray:
    """Blurs by a box and moves right by `drop` / 2 and down by `drop`; integer sums do not depend on their order."""
    shade = np.zeros((len(alpha) + 2 * radius + 1,) * 2, np.int64)
    inner = shade[radius + 1 + drop : -radius, radius + 1 + drop // 2 : -radius]
    inner[:] = alpha[: inner.shape[0], : inner.shape[1]] * 255
    width = 2 * radius + 1
    for axis in (0, 1):
        total = np.cumsum(shade, axis=axis)
        shade = total[width:] - total[:-width] if axis == 0 else total[:, width:] - total[:, :-width]
    return shade.astype(np.float32) * np.float32(1 / (255 * width * width))
