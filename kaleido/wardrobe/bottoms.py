"""Designs of jeans, trousers, shorts, leggings, skirts."""

from kaleido.wardrobe import details as d
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import PATTERNED, SOBER, Design, Feature, Piece, line, pair
from kaleido.wardrobe.palette import DENIMS
from kaleido.wardrobe.shapes import Vertex, ellipse, rectangle, symmetric

_LEGS: dict[str, tuple[float, float, tuple[str, ...], tuple[str, ...]]] = {
    "skinny": (20, 13, ("skinny legs", "narrow legs"), ("skinny",)),
    "straight": (25, 10, ("straight legs",), ("straight-leg",)),
    "wide": (35, 8, ("wide legs",), ("wide-leg",)),
}
"""Outer and inner half width at the ankle, nouns and adjectives of each fit."""


def legs(fit: str, bottom: float = 97, top: float = 4) -> list[Vertex]:
    outer, inner = _LEGS[fit][:2]
    return symmetric([(0, top), (17, top), (22, 24, 0.7), (outer, bottom), (inner, bottom), (1.5, 42), (0, 40)])


def _fit(fit: str, bottom: float = 97) -> Feature:
    """Makes the legs below the crotch, as a part that the text may name."""
    outer, inner, nouns, adjectives = _LEGS[fit]
    leg = [(22.4, 36), (outer, bottom), (inner, bottom), (1.8, 43)]
    return Feature("leg", pair(Piece(leg, edge=0)), nouns, adjectives)


def waistband(half: float = 17.5, top: float = 3, height: float = 6, paint: str = "main") -> Feature:
    band = symmetric([(0, top), (half, top), (half + 0.6, top + height), (0, top + height)])
    return Feature("waistband", [Piece(band, paint, 0.9)])


def _fly() -> Feature:
    curve = [(0, 9), (5, 9), (5, 24, 0.6), (0, 30)]
    return Feature("fly", [line([(0, 9), (0, 41)]), line(curve, back=False)])


def jeans(choices: Choices) -> Design:
    fit = choices.pick(("skinny", "straight", "wide"))
    outer, inner = _LEGS[fit][:2]
    seams = [line([(19.5, 10), (21, 24), (outer - 1.6, 96)], 0.7, "stitching", 0.9)]
    pocket = [line([(7, 9), (9, 17, 0.8), (20.5, 19)], 1.1, "stitching", 0.95, back=False)]
    back_pocket = [(5, 20), (16, 20), (16, 31), (10.5, 34), (5, 31)]
    loops = [Piece(rectangle(x - 0.9, 2, x + 0.9, 10), tone=0.9) for x in (-12, -5, 5, 12)]
    features = [
        Feature("body", [Piece(legs(fit))]),
        _fit(fit),
        Feature("seam", pair(*seams)),
        Feature("pocket", pair(*pocket, Piece(back_pocket, tone=1.05, front=False))),
        _fly(),
        waistband(),
        Feature("loop", loops),
        Feature("button", [Piece(ellipse(0, 6, 1.7), "gold", back=False)], ("a metal button",)),
    ]
    if choices.chance(0.4):
        cuff = [(outer + 0.7, 91), (outer + 0.7, 98), (inner - 0.7, 98), (inner - 0.7, 91)]
        features.append(Feature("cuff", pair(Piece(cuff, "light", 0.86)), ("turned-up cuffs", "rolled cuffs")))
    elif choices.chance(0.5):
        rips = [Piece(ellipse((outer + inner) / 2, y, 4.4, 1.7), "light", 0.95, back=False) for y in (60, 65)]
        features.append(Feature("rip", pair(*rips), ("ripped knees",), ("ripped",)))
    return Design(("jeans", "denim jeans"), tuple(features), True, ("plain",), DENIMS, "twill")


def trousers(choices: Choices) -> Design:
    fit = choices.pick(("skinny", "straight", "wide"))
    outer, inner = _LEGS[fit][:2]
    features = [
        Feature("body", [Piece(legs(fit))]),
        _fit(fit),
        _fly(),
        waistband(),
    ]
    if choices.chance(0.7):
        features.append(d.slanted_pockets(19, 11))
    if choices.chance(0.6):
        crease = line([(11, 12), ((outer + inner) / 2, 96)], 1.1)
        features.append(Feature("crease", pair(crease), ("pressed creases", "front creases")))
    return Design(("trousers", "pants"), tuple(features), True, SOBER)


def shorts(choices: Choices) -> Design:
    half = [(0, 4), (20, 4), (26, 24, 0.6), (33, 62), (4, 65), (1.5, 42), (0, 40)]
    features = [Feature("body", [Piece(symmetric(half))]), _fly(), waistband(20.5)]
    features.append(d.slanted_pockets(22, 11))
    if choices.chance(0.5):
        cords = [Piece([(0, 8), (x, 24)], "light", 0.95, width=1.4, back=False) for x in (-4, 5)]
        features.append(Feature("drawstring", cords, ("a white drawstring",)))
    if choices.chance(0.5):
        cuff = [(32.8, 55.5), (33.6, 62.6), (3.4, 65.6), (3.2, 58.5)]
        features.append(Feature("cuff", pair(Piece(cuff, "second")), ("{second} cuffs", "turned-up {second} cuffs")))
    return Design(("shorts",), tuple(features), True)


def leggings(choices: Choices) -> Design:
    half = [(0, 4), (15, 4), (19, 24, 0.8), (14, 96, 0), (8, 96), (1.5, 44), (0, 41)]
    high = waistband(15.4, 3, 11, "second")
    features = [
        Feature("body", [Piece(symmetric(half))]),
        Feature("seam", [line([(0, 12), (0, 42)])]),
        Feature("waistband", high.pieces, ("a {second} waistband", "a wide {second} waistband")),
    ]
    if choices.chance(0.5):
        stripe = Piece([(17, 18), (17.4, 26, 0.8), (12.6, 96)], "second", width=2.4)
        features.append(Feature("side stripe", pair(stripe), ("{second} side stripes",)))
    return Design(("leggings",), tuple(features), True, ("plain", "plain", "dotted", "floral", "zigzag"))


def _skirt(choices: Choices, bottom: float, length: str, lengths: tuple[str, ...]) -> Design:
    cut = choices.pick(("a-line", "pencil", "pleated"))
    hem = {"a-line": 38, "pencil": 18, "pleated": 36}[cut] * (0.86 if bottom < 60 and cut != "pencil" else 1)
    low = bottom if cut == "pencil" else bottom + 3
    half = [(0, 8), (16, 8), (22, 28, 0.8), (hem, bottom - 2, 0.1), (hem / 2, low, 0.8), (0, low)]
    features = [Feature("body", [Piece(symmetric(half))])]
    if cut == "pleated":
        folds = [line([(x * 0.46, 14), (x, bottom + 1)], 1.2) for x in (-28, -20, -12, -4, 4, 12, 20, 28)]
        features.append(Feature("pleat", folds, ("pleats", "sharp pleats"), ("pleated",)))
    else:
        features.append(Feature("cut", (), (), (cut,)))
        detail = choices.pick(("buttons", "slit", "none"))
        if detail == "buttons":
            features += [d.placket(14, bottom), d.buttons(18, bottom - 6, 5 if bottom < 80 else 7, "gold")]
        elif detail == "slit":
            features.append(d.side_slit(hem * 0.45, bottom - 22, bottom + 4))
    features.append(waistband(16.5, 7, 6))
    band = symmetric([(0, low - 6), (hem - 1, bottom - 8), (hem, bottom - 2, 0.1), (hem / 2, low, 0.8), (0, low)])
    features.append(Feature("hem", [Piece(band, "seam", opacity=0.3)], lengths))
    return Design((f"{length} skirt",), tuple(features), patterns=PATTERNED)


def mini_skirt(choices: Choices) -> Design:
    return _skirt(choices, 52, "mini", ("a short hem",))


def midi_skirt(choices: Choices) -> Design:
    return _skirt(choices, 74, "midi", ("a calf-length hem",))


def maxi_skirt(choices: Choices) -> Design:
    return _skirt(choices, 96, "maxi", ("an ankle-length hem",))
