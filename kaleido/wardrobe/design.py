"""Designs: the outlines of a product in garment units, and the words for its parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kaleido.wardrobe.palette import COLOURS
from kaleido.wardrobe.shapes import Vertices, mirrored, outline, stroke

FRONT, BACK, ZOOM = VIEWS = ("front", "back", "zoom")
PATTERNED = ("plain", "plain", "plain", "striped", "checked", "dotted", "floral", "zigzag", "diamond")
SOBER = ("plain", "plain", "pinstriped", "checked")


@dataclass(frozen=True, slots=True)
class Piece:
    """Flat shape of one paint.

    Attributes:
        vertices: Outline of a filled shape, or the path of a line if `width` is set.
        paint: `fabric` (main colour with its pattern), `main` or `second` (colours without pattern), `seam` (darker or
            lighter main colour), or a name of `palette.MATERIALS`.
        tone: Factor on the brightness.
        opacity: Opacity; below 1 the piece shades what lies beneath it and does not extend the silhouette.
        edge: Width of the contour in units; 0 for none.
        width: Width of a line in units; 0 for a filled shape.
        side: `left` or `right` of a pair, whose boxes are separate; empty otherwise.
        front: Whether it is visible from the front. A piece visible from the back only belongs to no box.
        back: Whether it is visible from the back.
    """

    vertices: Vertices
    paint: str = "fabric"
    tone: float = 1.0
    opacity: float = 1.0
    edge: float = 0.7
    width: float = 0.0
    side: str = ""
    front: bool = True
    back: bool = True

    def contours(self) -> np.ndarray:
        """Returns the polygons that the fill covers, float64 [n, k, 2]."""
        if self.width:
            return stroke(outline(self.vertices, closed=False), self.width, closed=False)
        return outline(self.vertices)[None]

    def border(self) -> np.ndarray | None:
        """Returns the polygons of the contour, whose inner half the fill hides, float64 [n, 4, 2]; or None."""
        if not self.edge or self.opacity < 1:
            return None
        if self.width:
            return stroke(outline(self.vertices, closed=False), self.width + 2 * self.edge, closed=False)
        return stroke(outline(self.vertices), 2 * self.edge, closed=True)


def line(vertices: Vertices, width: float = 0.8, paint: str = "seam", opacity: float = 0.75, **rest) -> Piece:
    """Makes a seam, a crease or a cord."""
    return Piece(vertices, paint, width=width, opacity=opacity, **rest)


def pair(*pieces: Piece) -> list[Piece]:
    """Adds to pieces of the right half their mirror images on the left."""
    left = [replace(piece, vertices=mirrored(piece.vertices), side="left") for piece in pieces]
    return [*(replace(piece, side="right") for piece in pieces), *left]


@dataclass(frozen=True, slots=True)
class Feature:
    """Part of a product with the phrases that may describe it; a text does not mention a part without phrases.

    Attributes:
        name: Name of the part, for example `sleeve`.
        pieces: Shapes in painting order; none if the words describe an absence (`sleeveless`).
        nouns: Noun phrases with their article that can follow `with`: `a v-neck`. `{second}` is replaced by the name
            of the second colour.
        adjectives: Words that can precede the product's noun: `v-neck`.
    """

    name: str
    pieces: Sequence[Piece] = ()
    nouns: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Design:
    """Shape of a product and the words for it.

    Attributes:
        nouns: Synonymous names of the type: `sweater`, `jumper`.
        features: Parts in painting order.
        plural: Whether the nouns are plural (`jeans`).
        patterns: Patterns to choose from; one that is listed twice is twice as likely.
        colours: Main colours to choose from.
        weave: A name of `patterns.WEAVES`.
        views: Views to choose from.
    """

    nouns: tuple[str, ...]
    features: tuple[Feature, ...]
    plural: bool = False
    patterns: tuple[str, ...] = PATTERNED
    colours: tuple[str, ...] = field(default=tuple(COLOURS))
    weave: str = "smooth"
    views: tuple[str, ...] = VIEWS
