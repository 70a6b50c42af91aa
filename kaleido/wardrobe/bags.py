"""Designs of tote bags, handbags, backpacks, clutches, shoulder bags, suitcases."""

from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import Design, Feature, Piece, line, pair
from kaleido.wardrobe.palette import LEATHERS
from kaleido.wardrobe.shapes import ellipse, rectangle, symmetric

_CANVAS = ("plain", "plain", "striped", "dotted", "floral", "checked", "zigzag", "colour-block")


def tote_bag(choices: Choices) -> Design:
    body = symmetric([(0, 36), (32, 36), (36, 95, 0.1), (0, 95)])
    high = 4 if choices.chance(0.6) else 20
    behind = [(-15, 40), (-14, high - 2, 0.8), (14, high - 2, 0.8), (15, 40)]
    handle = [(-17, 46), (-16, high, 0.8), (16, high, 0.8), (17, 46)]
    words = ("long handles", "two long handles") if high == 4 else ("short handles", "two short handles")
    features = [
        Feature("handle", [Piece(behind, "second", 0.7, width=4)]),
        Feature("body", [Piece(body), line([(-32, 40), (32, 40)])]),
        Feature("handle", [Piece(handle, "second", width=4.5)], words),
    ]
    if choices.chance(0.5):
        pocket = Piece(rectangle(-15, 56, 15, 82, 0.1), "second", back=False)
        features.append(Feature("pocket", [pocket], ("a {second} front pocket", "a {second} pocket")))
    return Design(("tote bag", "tote"), tuple(features), patterns=_CANVAS)


def handbag(choices: Choices) -> Design:
    body = symmetric([(0, 42), (28, 42, 0.2), (40, 92, 0.3), (0, 92)])
    handle = [(-20, 46), (-19, 14, 0.9), (19, 14, 0.9), (20, 46)]
    flap = symmetric([(0, 41), (29, 41, 0.2), (33, 64, 0.5), (0, 72)])
    features = [
        Feature("handle", [Piece(handle, "main", 0.75, width=5)], ("a top handle", "a round top handle")),
        Feature("ring", [Piece(ellipse(x, 45, 3), "gold") for x in (-20, 20)]),
        Feature("body", [Piece(body)]),
    ]
    if choices.chance(0.6):
        features.append(Feature("flap", [Piece(flap, "main", 0.9, back=False)], ("a flap", "a front flap")))
        clasp = Piece(rectangle(-4, 66, 4, 75, 0.3), "gold", back=False)
        features.append(Feature("clasp", [clasp], ("a gold clasp",)))
    else:
        zipper = Piece([(-27, 47), (27, 47)], "gold", width=2)
        charm = [Piece([(10, 47), (12, 60)], "second", width=1.4, back=False)]
        charm += [Piece([(9, 60), (15, 60), (17, 74), (7, 74)], "second", back=False)]
        features.append(Feature("zip", [zipper], ("a gold zip",)))
        features.append(Feature("tassel", charm, ("a {second} tassel",)))
    return Design(("handbag", "leather handbag"), tuple(features), False, ("plain",), (*LEATHERS, "pink", "green"))


def backpack(choices: Choices) -> Design:
    body = symmetric([(0, 12), (22, 12, 0.9), (30, 34, 0.6), (31, 94, 0.25), (0, 95)])
    loop = [(-7, 14), (-6, 4, 0.7), (6, 4, 0.7), (7, 14)]
    straps = [Piece([(24, 30), (38, 44, 0.9), (36, 84, 0.6), (30, 90)], "second", width=5, back=False)]
    shoulder = Piece([(9, 18), (15, 36, 0.8), (17, 66, 0.6), (27, 84)], "second", width=6, front=False)
    pocket = symmetric([(0, 56), (20, 56, 0.4), (22, 88, 0.3), (0, 88)])
    seam = [(-24, 34), (-18, 20, 0.8), (18, 20, 0.8), (24, 34)]
    features = [
        Feature("handle", [Piece(loop, "second", width=3.4)], ("a top loop",)),
        Feature("strap", pair(*straps)),
        Feature("body", [Piece(body)]),
        Feature("zip", [Piece(seam, "silver", width=1.8, back=False)], ("a curved zip", "a main zip")),
        Feature("strap", pair(shoulder), ("{second} straps", "{second} shoulder straps")),
        Feature(
            "pocket",
            [Piece(pocket, "second" if choices.chance(0.4) else "main", 0.92, back=False)],
            ("a front pocket",),
        ),
        Feature("pocket zip", [line([(-18, 62), (18, 62)], 1.8, "silver", 0.95, back=False)]),
    ]
    return Design(("backpack", "rucksack"), tuple(features), patterns=_CANVAS)


def clutch(choices: Choices) -> Design:
    body = rectangle(-44, 34, 44, 80, 0.15)
    envelope = choices.chance(0.5)
    if envelope:
        flap = Feature(
            "flap",
            [Piece([(-44, 34), (44, 34), (0, 64)], "main", 0.88, back=False)],
            ("a pointed flap", "an envelope flap"),
            ("envelope",),
        )
        clasp = Piece(ellipse(0, 61, 4), "gold", back=False)
    else:
        flap = Feature("flap", [Piece(rectangle(-44, 34, 44, 56, 0.2), "main", 0.88, back=False)], ("a straight flap",))
        clasp = Piece(rectangle(-6, 52, 6, 60, 0.3), "gold", back=False)
    features = [Feature("body", [Piece(body)]), flap, Feature("clasp", [clasp], ("a gold clasp",))]
    if choices.chance(0.5):
        loop = [(42, 38), (49, 46, 0.9), (47, 70, 0.9), (41, 44)]
        features.insert(0, Feature("strap", [Piece(loop, "second", width=2.6)], ("a {second} wrist strap",)))
    return Design(
        ("clutch", "clutch bag"), tuple(features), patterns=("plain", "plain", "striped", "dotted", "floral", "diamond")
    )


def shoulder_bag(choices: Choices) -> Design:
    body = symmetric([(0, 54), (30, 54, 0.2), (33, 90, 0.7), (0, 95)])
    flap = symmetric([(0, 53), (31, 53, 0.2), (31, 72, 0.8), (0, 78)])
    chain = choices.chance(0.5)
    course = [(-29, 56), (-30, 8, 0.9), (30, 8, 0.9), (29, 56)]
    if chain:
        strap = [Piece(course, "gold", width=2.4)]
        words = ("a gold chain strap", "a long gold chain")
    else:
        strap = [Piece(course, "second", width=3.6)]
        words = ("a long {second} strap", "a {second} shoulder strap")
    features = (
        Feature("strap", strap, words),
        Feature("body", [Piece(body)]),
        Feature("flap", [Piece(flap, "main", 0.9, back=False)], ("a rounded flap",)),
        Feature("clasp", [Piece(ellipse(0, 77, 4), "gold", back=False)], ("a round clasp", "a gold clasp")),
    )
    return Design(("shoulder bag", "crossbody bag"), features, False, ("plain", "plain", "checked", "floral"), LEATHERS)


def suitcase(choices: Choices) -> Design:
    body = rectangle(-27, 26, 27, 90, 0.25)
    wheels = [Piece(ellipse(x, 92, 4), "rubber") for x in (-19, 19)]
    handle = [(-10, 27), (-10, 4, 0.3), (10, 4, 0.3), (10, 27)]
    ridges = [line([(x, 30), (x, 86)], 1.6) for x in (-18, -9, 0, 9, 18)]
    features = [
        Feature("wheel", wheels, ("black wheels", "two black wheels")),
        Feature("handle", [Piece(handle, "silver", width=3)], ("a telescopic handle", "a pull-out handle")),
        Feature("body", [Piece(body)]),
    ]
    if choices.chance(0.5):
        features.append(Feature("ridge", ridges, ("vertical ridges",), ("ridged",)))
    else:
        bands = [Piece([(-27, y), (27, y)], "second", width=5) for y in (44, 72)]
        features.append(Feature("strap", bands, ("two {second} straps",)))
    features.append(
        Feature("side handle", [Piece([(-8, 32), (-7, 37, 0.5), (7, 37, 0.5), (8, 32)], "rubber", width=2)])
    )
    return Design(("suitcase", "trolley case"), tuple(features), False, ("plain",), views=("front", "zoom"))
