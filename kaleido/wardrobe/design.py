"""A product before it is painted: outlines in garment units, and the words for them."""

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
    """One flat shape.

    Attributes:
        vertices: Its outline, or the course of a line if `width` is set.
        paint: `fabric` (the main colour with its pattern), `main` or `second` (the bare colours), `seam` (told apart
            from the main colour), or a name of `palette.MATERIALS`.
        tone: Factor on the brightness.
        opacity: Below 1 the piece is a shade on what lies beneath it and never extends the silhouette.
        edge: Width of the contour in units; 0 for none.
        width: Width of a line in units; 0 for a filled outline.
        side: Tells the two of a pair apart, so that each gets a box of its own.
        front: Seen from the front, where the words apply; what is seen from behind only is in no feature's box.
        back: Seen from behind.
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
        """What the fill covers, float64 [n, k, 2]."""
        if self.width:
            return stroke(outline(self.vertices, closed=False), self.width, closed=False)
        return outline(self.vertices)[None]

    def border(self) -> np.ndarray | None:
        """What the contour covers, together with the fill or the line that hides its inner half; float64 [n, 4, 2]."""
        if not self.edge or self.opacity < 1:
            return None
        if self.width:
            return stroke(outline(self.vertices, closed=False), self.width + 2 * self.edge, closed=False)
        return stroke(outline(self.vertices), 2 * self.edge, closed=True)


def line(vertices: Vertices, width: float = 0.8, paint: str = "seam", opacity: float = 0.75, **rest) -> Piece:
    """A seam, a crease or a cord."""
    return Piece(vertices, paint, width=width, opacity=opacity, **rest)


def pair(*pieces: Piece) -> list[Piece]:
    """Pieces of the right half, and their mirror images on the left."""
    left = [replace(piece, vertices=mirrored(piece.vertices), side="left") for piece in pieces]
    return [*(replace(piece, side="right") for piece in pieces), *left]


@dataclass(frozen=True, slots=True)
class Feature:
    """A part of a product: its shapes, and how a text may speak of it (not at all if both are empty).

    Attributes:
        name: For example `sleeve`.
        pieces: In painting order; none where the words speak of something absent (`sleeveless`).
        nouns: Noun phrases with their article, to stand after `with`: `a v-neck`. `{second}` stands for the name of the
            second colour.
        adjectives: Words to stand before the product's noun: `v-neck`.
    """

    name: str
    pieces: Sequence[Piece] = ()
    nouns: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Design:
    """A product's shape and what may be said of it.

    Attributes:
        nouns: Names of the type, synonyms of each other: `sweater`, `jumper`.
        features: In painting order.
        plural: Whether the nouns are plural (`jeans`).
        patterns: The patterns that suit it; one that is listed twice is twice as likely.
        colours: The main colours that suit it.
        weave: A name of `patterns.WEAVES`.
        views: The views that show something worth showing.
    """

    nouns: tuple[str, ...]
    features: tuple[Feature, ...]
    plural: bool = False
    patterns: tuple[str, ...] = PATTERNED
    colours: tuple[str, ...] = field(default=tuple(COLOURS))
    weave: str = "smooth"
    views: tuple[str, ...] = VIEWS
