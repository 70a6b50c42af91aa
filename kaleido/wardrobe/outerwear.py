"""Designs of bomber jackets, denim jackets, blazers, coats, raincoats, puffer vests."""

from kaleido.wardrobe import details as d
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import SOBER, Design, Feature, Piece, line, pair
from kaleido.wardrobe.palette import DENIMS
from kaleido.wardrobe.shapes import symmetric


def bomber_jacket(choices: Choices) -> Design:
    rib = choices.pick(("main", "second"))
    hem = d.ribbed_hem(76, 26, 7, rib)
    if rib == "second":
        hem = Feature("hem", hem.pieces, ("a {second} ribbed hem", "a {second} hem"))
    features = (
        d.sleeves("long", cuff=rib),
        d.body(d.torso(82, waist=27, hip=26)),
        hem,
        d.slanted_pockets(18, 56),
        d.zipper(14, 82),
        d.stand_collar(),
    )
    return Design(("bomber jacket", "bomber"), features, patterns=("plain", "plain", "plain", "floral", "colour-block"))


def denim_jacket(choices: Choices) -> Design:
    pockets = [
        Piece([(8, 35), (19, 35), (18, 47), (13.5, 49.5), (9, 47)], tone=1.05, back=False),
        Piece([(7.4, 34), (19.6, 34), (19.6, 38), (13.5, 41), (7.4, 38)], tone=0.92, back=False),
    ]
    seams = [
        line([(-24, 32), (24, 32)], 0.9, "stitching", 0.95),
        *(line([(x, 50), (x * 0.75, 76)], 0.8, "stitching", 0.95) for x in (-17, -9, 9, 17)),
    ]
    features = (
        d.sleeves("long", cuff="main"),
        d.body(d.torso(80, waist=24, hip=23)),
        Feature("seam", seams),
        Feature("pocket", pair(*pockets), ("two flap pockets", "two chest pockets")),
        Feature("waistband", [Piece(symmetric([(0, 76), (23.4, 76), (23, 82), (0, 82)]), tone=0.9)]),
        d.placket(24, 82),
        d.buttons(31, 79, 6, "gold"),
        d.shirt_collar(),
    )
    return Design(("denim jacket", "jean jacket"), features, patterns=("plain",), colours=DENIMS, weave="twill")


def blazer(choices: Choices) -> Design:
    double = choices.chance(0.4)
    buttons = d.buttons(57, 68, 2, "gold", x=5) if double else d.buttons(57, 68, choices.pick((1, 2)), "ink")
    features = [
        d.sleeves("long"),
        d.body(d.torso(86, waist=21, hip=26)),
        Feature("placket", [line([(0, 52), (0 if double else 3, 86)], 1.1, back=False)]),
        Feature("vent", [line([(0, 66), (0, 86)], 1.1, front=False)]),
        d.patch_pockets(14.5, 64, 11, 12, flap=True),
        d.lapels(54),
        buttons,
    ]
    if choices.chance(0.5):
        square = [(10, 37), (12, 32), (14, 36), (16, 31), (19, 37)]
        features.append(Feature("pocket square", [Piece(square, "light", back=False)], ("a white pocket square",)))
    return Design(("blazer", "suit jacket"), tuple(features), patterns=SOBER)


def coat(choices: Choices) -> Design:
    double = choices.chance(0.5)
    belted = choices.chance(0.5)
    features = [
        d.sleeves("long", cuff="main"),
        d.body(d.torso(122, waist=23, hip=33)),
        Feature("placket", [line([(0, 44), (0, 122)], 1.1, back=False)]),
        Feature("vent", [line([(0, 76), (0, 122)], 1.1, front=False)]),
        d.slanted_pockets(20, 70),
        d.lapels(44, 17),
    ]
    features.append(d.buttons(50, 95, 4, "ink", x=6) if double else d.buttons(50, 95, 4, "ink"))
    if belted:
        features.append(d.belt(57, 25, "main"))
        features[-1] = Feature("belt", features[-1].pieces, ("a waist belt", "a buckled belt"), ("belted",))
    return Design(("coat", "overcoat"), tuple(features), patterns=("plain", "plain", "checked"))


def raincoat(choices: Choices) -> Design:
    features = (
        d.sleeves("long"),
        d.body(d.torso(104, waist=27, hip=33)),
        d.patch_pockets(17, 70, 13, 14, flap=True),
        *((d.zipper(24, 104),) if choices.chance(0.5) else (d.placket(24, 104, 3), d.buttons(32, 95, 5, "silver"))),
        d.hood(),
    )
    colours = ("yellow", "navy", "red", "green", "olive", "turquoise", "pink", "orange")
    return Design(("raincoat", "rain jacket"), features, patterns=("plain", "plain", "dotted"), colours=colours)


def puffer_vest(choices: Choices) -> Design:
    shape = [(0, 12), (9, 10), (20, 14, 0.3), (17, 28, 0.8), (26, 42, 0.5), (27, 62, 0.8), (26, 84, 0.2), (0, 84)]
    quilts = []
    for y in range(26, 84, 9):
        quilts += [line([(-25, y - 1), (0, y + 1), (25, y - 1)], 1.4)]
        quilts += [line([(-25, y + 2.2), (0, y + 4.2), (25, y + 2.2)], 2, "light", 0.16)]
    features = [
        d.sleeveless(),
        d.body(symmetric(shape)),
        Feature("quilting", quilts, ("quilting", "horizontal quilting"), ("quilted",)),
        d.zipper(12, 84),
    ]
    if choices.chance(0.5):
        features.append(d.slanted_pockets(19, 58))
    features.append(d.stand_collar())
    return Design(("puffer vest", "padded vest"), tuple(features), patterns=("plain", "plain", "colour-block"))
