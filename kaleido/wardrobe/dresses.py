"""Designs of day dresses, evening dresses, shirt dresses, jumpsuits."""

from kaleido.wardrobe import details as d
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import PATTERNED, Design, Feature, Piece, line, pair
from kaleido.wardrobe.shapes import Vertex, symmetric

_LENGTHS = {
    "short": (88, ("a short hem",), ("short",)),
    "midi": (108, ("a calf-length hem",), ("midi",)),
    "long": (134, ("an ankle-length hem",), ("long", "maxi")),
}


def _gown(top: list[Vertex], bottom: float, flare: float) -> list[Vertex]:
    """Outlines a bodice that widens into a skirt from the waist at y = 44."""
    half = [*top, (16, 42, 0.5), (flare * 0.72, 64, 0.8), (flare, bottom - 3, 0.1), (0, bottom)]
    return symmetric(half)


def _hem(length: str, flare: float) -> Feature:
    bottom, nouns, adjectives = _LENGTHS[length]
    band = symmetric([(0, bottom - 6), (flare - 1, bottom - 9), (flare, bottom - 3, 0.1), (0, bottom)])
    return Feature("hem", [Piece(band, "seam", opacity=0.3)], nouns, adjectives)


_BODICE = [(0, 10), (9, 8), (22, 12, 0.3), (20, 28, 0.4)]
_STRAPPED = [(0, 18), (8, 17, 0.8), (10, 4), (13.5, 4), (14, 18, 0.9), (20, 27, 0.4)]


def _folds(bottom: float, flare: float) -> Feature:
    xs = (-0.6, -0.2, 0.2, 0.6)
    return Feature("fold", [line([(x * 12, 50), (x * flare, bottom - 6)], 0.8, opacity=0.4) for x in xs])


def day_dress(choices: Choices) -> Design:
    length = choices.pick(("short", "midi"))
    bottom, flare = _LENGTHS[length][0], choices.pick((30, 42))
    sleeve = choices.pick(("none", "short", "long"))
    features = []
    if sleeve == "none":
        features += [d.sleeveless(), d.body(_gown(_STRAPPED, bottom, flare))]
        neck = choices.pick(("scoop neck", "square neck"))
        features.append(d.shifted(d.neckline(neck), -5))
    else:
        features.append(d.shifted(d.sleeves(sleeve), -4, -4))
        features.append(d.body(_gown(_BODICE, bottom, flare)))
        features.append(d.shifted(d.neckline(choices.pick(("crew neck", "v-neck", "scoop neck"))), -2))
    features += [_folds(bottom, flare), _hem(length, flare)]
    if choices.chance(0.6):
        features.append(d.belt(42, 16.4))
    else:
        features.append(Feature("waist", [line([(-16, 44), (16, 44)])]))
    return Design(("dress", "day dress"), tuple(features), patterns=PATTERNED)


def evening_dress(choices: Choices) -> Design:
    flare = choices.pick((26, 42))
    bottom = _LENGTHS["long"][0]
    strapless = choices.chance(0.5)
    if strapless:
        top = [(0, 17), (9, 10, 0.9), (19, 15, 0.3), (18, 28, 0.4)]
        edge = symmetric([*top[:3], (18.6, 22), (0, 24)])
        neck = Feature("neckline", [Piece(edge, edge=0)], ("a strapless neckline",), ("strapless",))
    else:
        top = [(0, 28), (9, 16, 0.5), (11, 3), (13, 3), (20, 26, 0.4)]
        strap = Piece([(9, 16), (11, 3), (13, 3), (14.6, 16)], edge=0)
        neck = Feature("strap", pair(strap), ("thin straps", "two thin straps"), ("strappy",))
    half = [*top, (15, 42, 0.6), (21, 62, 0.8), (flare, bottom - 3, 0.1), (0, bottom)]
    features = [
        Feature("body", [Piece(symmetric(half))]),
        neck,
        _folds(bottom, flare),
        _hem("long", flare),
    ]
    if choices.chance(0.6):
        features.append(d.side_slit(flare * 0.35, 84, bottom))
    sash = Piece(symmetric([(0, 41), (15.6, 41), (15.8, 47), (0, 47)]), "second")
    features.append(Feature("sash", [sash], ("a {second} sash", "a {second} waist sash")))
    return Design(("evening dress", "gown"), tuple(features), patterns=("plain", "plain", "plain", "dotted", "floral"))


def shirt_dress(choices: Choices) -> Design:
    bottom, flare = _LENGTHS["midi"][0], 33
    features = (
        d.shifted(d.sleeves(choices.pick(("short", "long", "three-quarter")), cuff="main"), -4, -4),
        d.body(_gown(_BODICE, bottom, flare)),
        d.placket(20, bottom - 1),
        d.buttons(26, bottom - 8, choices.pick((5, 6, 7))),
        d.shifted(d.shirt_collar(), -3),
        _hem("midi", flare),
        d.belt(42, 16.4),
    )
    return Design(("shirt dress",), features, patterns=("plain", "plain", "striped", "pinstriped", "checked", "dotted"))


def jumpsuit(choices: Choices) -> Design:
    fit = choices.pick((24, 34))
    half = [(16, 42, 0.5), (22, 60, 0.8), (fit, 128), (fit - 15, 128), (1.5, 72), (0, 70)]
    top, features = _BODICE, []
    if choices.chance(0.5):
        top = _STRAPPED
        features.append(d.sleeveless())
    else:
        features.append(d.shifted(d.sleeves(choices.pick(("short", "long"))), -4, -4))
    features.append(d.body(symmetric([*top, *half])))
    neck = d.neckline("square neck" if top is _STRAPPED else "v-neck")
    features.append(d.shifted(neck, -5 if top is _STRAPPED else -2))
    leg = [(22, 68), (fit, 128), (fit - 15, 128), (1.8, 73)]
    name = "wide" if fit == 34 else "straight"
    features.append(Feature("leg", pair(Piece(leg, edge=0)), (f"{name} legs",), (f"{name}-leg",)))
    features.append(d.belt(42, 16.4))
    return Design(("jumpsuit",), tuple(features), patterns=("plain", "plain", "dotted", "floral", "pinstriped"))
