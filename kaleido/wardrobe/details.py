"""Parts of several garments: bodies, necklines, collars, sleeves, closures, pockets, hems."""

from dataclasses import replace

from kaleido.wardrobe.design import Feature, Piece, line, pair
from kaleido.wardrobe.shapes import Vertex, Vertices, ellipse, mirrored, moved, rectangle, symmetric

SHADE = 0.55
"""Brightness factor of the inside of a garment."""


def between(a: Vertex, b: Vertex, share: float) -> Vertex:
    """Interpolates between two points, from `a` (0) to `b` (1)."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


# Bodies


def torso(bottom: float, waist: float = 23, hip: float = 24, neck: float = 9, shoulder: float = 26) -> list[Vertex]:
    """Outlines an upper body without sleeves; waist, hip, neck and shoulder are half widths."""
    middle = 38 + (min(bottom, 90) - 38) * 0.5
    return symmetric(
        [
            (0, 12),
            (neck, 10),
            (shoulder, 16, 0.3),
            (24, 37, 0.3),
            (waist, middle, 0.9),
            (hip, bottom, 0.12),
            (0, bottom),
        ]
    )


def strap_top(bottom: float, waist: float, hip: float, strap: float = 5) -> list[Vertex]:
    """Outlines an upper body on two straps."""
    middle = 38 + (min(bottom, 90) - 38) * 0.5
    upper = [(0, 21), (9, 20, 0.8), (11, 8), (11 + strap, 8), (17, 28, 0.9), (24, 37, 0.4)]
    return symmetric([*upper, (waist, middle, 0.9), (hip, bottom, 0.12), (0, bottom)])


def body(vertices: Vertices, **rest) -> Feature:
    return Feature("body", [Piece(vertices, **rest)])


# Necklines and collars

_NECKLINES: dict[str, tuple[list[Vertex], tuple[str, ...], tuple[str, ...]]] = {
    "crew neck": ([(9, 10), (8, 19, 0.9), (0, 20)], ("a crew neck", "a round crew neck"), ("crew-neck",)),
    "v-neck": ([(9, 10), (0, 32)], ("a v-neck", "a v-shaped neck"), ("v-neck",)),
    "scoop neck": ([(11, 9), (11, 30, 0.9), (0, 32)], ("a scoop neck", "a deep scoop neck"), ("scoop-neck",)),
    "square neck": ([(11, 9), (11, 25), (0, 25)], ("a square neck",), ("square-neck",)),
}


def neckline(name: str, paint: str = "main", tone: float = 0.85, width: float = 2.6) -> Feature:
    """Makes an opening in the front of a body, with a band along its edge."""
    half, nouns, adjectives = _NECKLINES[name]
    edge = [*mirrored(half)[::-1], *half[::-1]]
    x, y = half[0][:2]
    return Feature(
        "neckline",
        [
            Piece(edge, "main", SHADE, edge=0, back=False),
            line([(-2.5, y + 4), (2.5, y + 4)], 3.5, "light", 0.8, back=False),
            Piece(edge, paint, tone, width=width, back=False),
            Piece([(-x, y), (0, y + 4), (x, y)], paint, tone, width=width, front=False),
        ],
        nouns,
        adjectives,
    )


def turtleneck() -> Feature:
    band = [(-9, 3), (9, 3), (10, 15, 0.3), (0, 17), (-10, 15, 0.3)]
    ribs = [line([(x, 4), (x * 1.1, 15)], 0.6) for x in (-6, -3, 0, 3, 6)]
    return Feature("neckline", [Piece(band, tone=0.94), *ribs], ("a turtleneck", "a high turtleneck"), ("turtleneck",))


def stand_collar() -> Feature:
    half = [(0, 6), (8, 4), (11, 13), (0, 16)]
    return Feature("collar", [Piece(symmetric(half), "main", 0.85)], ("a stand collar", "a short stand collar"))


def shirt_collar(paint: str = "fabric", tone: float = 1.05) -> Feature:
    """Makes a collar of two pointed leaves that fold over the neck."""
    leaf = [(8, 6), (0, 17), (8, 27), (14, 15, 0.2)]
    back = symmetric([(0, 6), (9, 5), (12, 14), (0, 16)])
    inside = symmetric([(0, 8), (8, 6), (0, 17)])
    return Feature(
        "collar",
        [
            Piece(inside, "main", SHADE, back=False),
            Piece(leaf, paint, tone, back=False),
            Piece(mirrored(leaf), paint, tone, back=False),
            Piece(back, paint, tone, front=False),
        ],
        ("a pointed collar", "a classic pointed collar"),
        ("collared",),
    )


def lapels(depth: float, width: float = 15) -> Feature:
    """Makes a tailored collar: a dark opening down to `depth` and a notched lapel on each side."""
    opening = symmetric([(0, 8), (9, 8), (0, depth)])
    lapel = [(9, 8), (0.5, depth), (width + 3, 27), (width - 3, 25), (width - 1, 20), (11, 12)]
    back = symmetric([(0, 8), (9, 7), (11, 13), (0, 15)])
    return Feature(
        "lapel",
        [
            Piece(opening, "main", 0.5, back=False),
            *(Piece(half, tone=0.9, edge=1, back=False) for half in (lapel, mirrored(lapel))),
            Piece(back, tone=0.9, front=False),
        ],
        ("notched lapels", "wide notched lapels"),
    )


def hood() -> Feature:
    outside = symmetric([(0, 0), (13, 1, 0.9), (16, 14, 0.8), (12, 24, 0.6), (0, 26)])
    inside = symmetric([(0, 4), (8, 5, 0.9), (9, 15, 0.8), (0, 24)])
    return Feature(
        "hood",
        [Piece(outside, tone=0.96), Piece(inside, "main", SHADE, back=False), line([(0, 1), (0, 25)], front=False)],
        ("a hood", "a large hood"),
        ("hooded",),
    )


def drawstrings(top: float = 22, length: float = 18) -> Feature:
    cord = Piece([(4, top), (5, top + length)], "light", 0.94, width=1.5, back=False)
    tip = Piece(ellipse(5, top + length, 1.4, 2), "light", 0.94, back=False)
    pieces = [cord, tip, *(Piece(mirrored(p.vertices), "light", 0.94, width=p.width, back=False) for p in (cord, tip))]
    return Feature("drawstring", pieces, ("white drawstrings",))


# Sleeves start between shoulder and armpit and end at the (outer, inner) corners of the cuff.

_CUFFS: dict[str, tuple[Vertex, Vertex]] = {
    "short": ((43, 34), (33, 43)),
    "three-quarter": ((46, 57), (35, 62)),
    "long": ((47, 80), (37, 83)),
}


def sleeves(length: str, cuff: str = "", puff: float = 0, **rest) -> Feature:
    """Makes a pair of sleeves.

    Args:
        length: `short`, `three-quarter` or `long`.
        cuff: Paint of a band at the end; empty for none.
        puff: Outward bulge in units.
        rest: Further arguments of the pieces.
    """
    outer, inner = _CUFFS[length]
    bend = between((26, 15), outer, 0.5)
    vertices = [(18, 14), (27, 15.5, 0.5), (bend[0] + 3.5 + puff, bend[1] - 2, 0.9)]
    if puff:
        vertices.append((outer[0] + puff, outer[1] - 6, 0.8))
    vertices += [outer, inner]
    if puff:
        vertices.append((inner[0] - puff * 0.4, inner[1] - 8, 0.8))
    pieces = [Piece([*vertices, (22, 38)], **rest)]
    if cuff:
        share = 0.14 if length == "long" else 0.12
        band = [outer, inner, between(inner, (22, 38), share), between(outer, (26, 15), share * 0.75)]
        pieces.append(Piece(band, cuff, 0.82, **rest))
    return Feature("sleeve", pair(*pieces), (f"{length} sleeves",), (f"{length}-sleeved",))


def sleeveless() -> Feature:
    return Feature("sleeve", adjectives=("sleeveless",))


# Closures

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def buttons(top: float, bottom: float, count: int, paint: str = "light", x: float = 0, size: float = 1.5) -> Feature:
    """Makes a column of buttons, or two mirrored ones if `x` is off the axis."""
    step = (bottom - top) / max(count - 1, 1)
    xs = (x, -x) if x else (0,)
    pieces = [
        Piece(ellipse(at, top + i * step, size), paint, 0.95, edge=0.6, back=False) for i in range(count) for at in xs
    ]
    if x:
        return Feature("button", pieces, ("two rows of buttons", "a double row of buttons"), ("double-breasted",))
    number = _NUMBERS[count]
    return Feature("button", pieces, (f"{number} buttons", "a row of buttons"), ("buttoned",))


def placket(top: float, bottom: float, width: float = 2.6) -> Feature:
    """Makes the strip that carries the buttons; texts mention the buttons only."""
    return Feature("placket", [line([(x, top), (x, bottom)], 0.7, back=False) for x in (-width, width)])


def zipper(top: float, bottom: float) -> Feature:
    return Feature(
        "zip",
        [
            Piece([(0, top), (0, bottom)], "rubber", width=2.6, back=False),
            Piece([(0, top), (0, bottom)], "silver", width=1.2, back=False),
            Piece(rectangle(-1.4, top + 1, 1.4, top + 6, 0.4), "silver", back=False),
        ],
        ("a zip", "a front zip"),
        ("zip-up",),
    )


# Pockets


def chest_pocket(x: float = 12, y: float = 34, flap: bool = False, paint: str = "fabric") -> Feature:
    shape = [(x - 5.5, y), (x + 5.5, y), (x + 5.5, y + 11), (x, y + 13.5), (x - 5.5, y + 11)]
    pieces = [Piece(shape, paint, 1.04 if paint == "fabric" else 1, back=False)]
    if flap:
        pieces.append(Piece([*shape[:2], (x + 5.5, y + 3), (x, y + 5), (x - 5.5, y + 3)], "main", 0.85, back=False))
    else:
        pieces.append(line([(x - 5.5, y + 2.4), (x + 5.5, y + 2.4)], back=False))
    return Feature("pocket", pieces, ("a chest pocket", "one chest pocket"))


def patch_pockets(x: float, y: float, width: float = 11, height: float = 12, flap: bool = False) -> Feature:
    shape = rectangle(x - width / 2, y, x + width / 2, y + height, 0.2)
    pieces = [Piece(shape, tone=1.04, back=False)]
    if flap:
        pieces.append(Piece(rectangle(x - width / 2 - 0.6, y - 1, x + width / 2 + 0.6, y + 3.6, 0.2), back=False))
    nouns = ("two flap pockets",) if flap else ("two patch pockets",)
    return Feature("pocket", pair(*pieces), nouns)


def slanted_pockets(x: float, y: float) -> Feature:
    welt = Piece([(x - 5, y), (x, y + 11)], "main", 0.6, width=2.2, back=False)
    return Feature("pocket", pair(welt), ("slanted pockets", "two slanted pockets"))


def kangaroo_pocket(y: float = 62) -> Feature:
    shape = symmetric([(0, y), (9, y), (16, y + 11), (16, y + 17), (0, y + 17)])
    return Feature("pocket", [Piece(shape, tone=1.04, back=False)], ("a kangaroo pocket", "a front pouch pocket"))


# Hems, waists


def ribbed_hem(y: float, half: float, height: float = 6, paint: str = "main") -> Feature:
    ribs = [line([(x, y), (x, y + height)], 0.6) for x in range(-18, 19, 4)]
    band = symmetric([(0, y), (half, y), (half - 1, y + height), (0, y + height)])
    return Feature("hem", [Piece(band, paint, 0.85), *ribs], ("a ribbed hem",))


def stitched_hem(y: float, half: float) -> Feature:
    """Makes a seam along the bottom that texts do not mention."""
    return Feature("hem", [line([(-half, y), (half, y)])])


def belt(y: float, half: float, paint: str = "second", height: float = 5) -> Feature:
    strap = symmetric([(0, y), (half, y), (half, y + height), (0, y + height)])
    buckle = rectangle(-4, y - 1, 4, y + height + 1, 0.2)
    return Feature(
        "belt",
        [
            Piece(strap, paint),
            Piece(buckle, "gold", back=False),
            Piece(rectangle(-2, y + 1, 2, y + height - 1), paint, back=False),
        ],
        ("a {second} belt", "a {second} waist belt"),
        ("belted",),
    )


def side_slit(x: float, top: float, bottom: float) -> Feature:
    shape = [(x, top), (x + 7, bottom + 1), (x - 2, bottom + 1)]
    return Feature("slit", [Piece(shape, "main", 0.4, opacity=0.95, back=False)], ("a side slit", "a high side slit"))


def shifted(feature: Feature, dy: float, dx: float = 0) -> Feature:
    """Moves a feature down by `dy`, and the halves of a pair outwards by `dx`."""
    outwards = {"right": dx, "left": -dx, "": 0}
    pieces = [replace(piece, vertices=moved(piece.vertices, outwards[piece.side], dy)) for piece in feature.pieces]
    return replace(feature, pieces=pieces)
