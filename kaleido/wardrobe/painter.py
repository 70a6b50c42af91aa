"""Painting of a design: colours, silhouette and boxes of its features."""

from dataclasses import dataclass

import numpy as np

from kaleido.catalog.product import Box
from kaleido.wardrobe.design import Design
from kaleido.wardrobe.look import Look
from kaleido.wardrobe.palette import COLOURS, MATERIALS
from kaleido.wardrobe.patterns import PATTERNS, WEAVES
from kaleido.wardrobe.raster import Placement, coverage

_VISIBLE = 12
"""Visible pixels that a feature needs to get a box."""


@dataclass(frozen=True, slots=True)
class Painting:
    """Painted view of a product.

    Attributes:
        colour: float32 [size, size, 3] in 0..255, premultiplied by `alpha`.
        alpha: float32 [size, size] in 0..1.
        boxes: Feature names with the bounding boxes of their visible pixels; a pair has two.
    """

    colour: np.ndarray
    alpha: np.ndarray
    boxes: tuple[tuple[str, Box], ...]


def box_of(mask: np.ndarray) -> Box | None:
    """Computes the bounding box of the true pixels of bool [H, W]; None if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def paint(design: Design, look: Look, placement: Placement, size: int, back: bool) -> Painting:
    """Paints one view of a design.

    Args:
        design: Shapes of the product.
        look: Colours and pattern.
        placement: Place of the product in the photo.
        size: Side of the photo in pixels.
        back: Whether the product is seen from behind.
    """
    fabric, light = _cloth(design, look, placement, size)
    colour = np.zeros((size, size, 3), np.float32)
    alpha = np.zeros((size, size), np.float32)
    owner = np.full((size, size), -1, np.int16)
    owners: list[tuple[str, str]] = []

    for feature in design.features:
        spoken = feature.nouns or feature.adjectives
        for piece in feature.pieces:
            if not (piece.back if back else piece.front):
                continue
            key = (feature.name, piece.side)
            if key not in owners:
                owners.append(key)
            number = owners.index(key) if piece.front else -1
            tint = _tint(piece.paint, look)
            border = piece.border()
            found = coverage(placement.pixels(border), size) if border is not None else None
            if found:
                area, cover = found
                _lay(colour[area], alpha[area], cover, _edge(tint), 1)
            found = coverage(placement.pixels(piece.contours()), size)
            if found:
                area, cover = found
                source = fabric[area] if piece.paint == "fabric" else tint * light[area][..., None]
                _lay(colour[area], alpha[area], cover, source * np.float32(piece.tone), piece.opacity)
                if piece.opacity == 1 or spoken:
                    owner[area][cover > 0.25] = number
    owner[alpha < 0.5] = -1
    boxes = []
    for number, (name, _) in enumerate(owners):
        seen = owner == number
        if np.count_nonzero(seen) >= _VISIBLE:
            boxes.append((name, box_of(seen)))
    return Painting(colour, alpha, tuple(boxes))


def _cloth(design: Design, look: Look, placement: Placement, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes the fabric, float32 [size, size, 3], and the light from the top left on it, float32 [size, size]."""
    x, y = placement.units(size)
    pixel = 1 / placement.scale
    side = -x if placement.flipped else x
    light = 1.08 - 0.0042 * (side + 50) - 0.0011 * y - 0.00004 * x * x
    main, second = (np.array(COLOURS[name], np.float32) for name in (look.main, look.second))
    share = PATTERNS[look.pattern].field(x, y, pixel)[..., None]
    weave = WEAVES[design.weave](x, y, pixel) * light
    return (main + (second - main) * share) * weave[..., None], light


def _tint(paint: str, look: Look) -> np.ndarray:
    if paint == "seam":
        return _edge(_tint("main", look))
    name = {"fabric": look.main, "main": look.main, "second": look.second}.get(paint, paint)
    return np.array(COLOURS.get(name) or MATERIALS[name], np.float32)


def _edge(tint: np.ndarray) -> np.ndarray:
    """Returns the colour of a contour: darker than the shape, or lighter if the shape is nearly black."""
    return tint * np.float32(0.55) if tint.max() > 95 else tint + np.float32(38)


def _lay(colour: np.ndarray, alpha: np.ndarray, cover: np.ndarray, source: np.ndarray, opacity: float) -> None:
    """Composites a piece over the painting, in place."""
    source = np.minimum(source, 255)
    if opacity < 1:
        cover = cover * np.float32(opacity)
        source = source * alpha[..., None]
    else:
        alpha += (1 - alpha) * cover
    colour += (source - colour) * cover[..., None]
