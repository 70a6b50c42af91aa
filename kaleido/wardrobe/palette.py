"""Named colours of products and fittings."""

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "black": (36, 36, 40),
    "white": (246, 246, 243),
    "grey": (144, 147, 152),
    "navy": (27, 38, 84),
    "blue": (44, 104, 206),
    "turquoise": (52, 186, 190),
    "green": (40, 146, 72),
    "olive": (110, 112, 48),
    "yellow": (247, 208, 50),
    "orange": (240, 130, 34),
    "red": (212, 32, 42),
    "burgundy": (114, 22, 46),
    "pink": (246, 154, 186),
    "purple": (122, 62, 164),
    "brown": (118, 74, 42),
    "beige": (218, 194, 154),
}
"""Colours of products, under the names that texts use; chosen to be distinguishable."""

MATERIALS: dict[str, RGB] = {
    "gold": (216, 172, 72),
    "silver": (198, 202, 208),
    "stitching": (214, 150, 62),
    "sole": (240, 238, 230),
    "rubber": (58, 56, 58),
    "glass": (52, 58, 70),
    "ink": (20, 20, 24),
    "light": (255, 255, 255),
}
"""Colours of fittings, which texts do not name."""

LEATHERS = ("black", "brown", "beige", "burgundy", "navy", "white", "grey", "red")
DENIMS = ("blue", "navy", "black", "grey", "white")


def distance(first: RGB, second: RGB) -> int:
    """Computes the distance of two colours: the sum of the absolute differences of their channels."""
    return sum(abs(a - b) for a, b in zip(first, second))


def contrasting(colour: str) -> list[str]:
    """Names the colours that contrast with `colour` as a pattern or accent."""
    return [
        name
        for name in ("white", "black", "navy", "red", "yellow", "pink", "beige", "green")
        if distance(COLOURS[name], COLOURS[colour]) > 200
    ]
