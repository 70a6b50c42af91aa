"""Designs of t-shirts, tank tops, shirts, polo shirts, blouses, sweaters, hoodies, cardigans."""

from kaleido.wardrobe import details as d
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import PATTERNED, Design, Feature, Piece, line
from kaleido.wardrobe.shapes import ellipse, mirrored, symmetric

KNITTED = ("plain", "plain", "striped", "diamond", "zigzag", "colour-block")


def t_shirt(choices: Choices) -> Design:
    features = [
        d.sleeves(choices.pick(("short", "short", "long"))),
        d.body(d.torso(84)),
        d.stitched_hem(81, 23),
        d.neckline(choices.pick(("crew neck", "v-neck", "scoop neck"))),
    ]
    if choices.chance(0.4):
        features.append(d.chest_pocket(paint="second"))
    return Design(("t-shirt", "tee"), tuple(features), patterns=(*PATTERNED, "colour-block"))


def tank_top(choices: Choices) -> Design:
    neck = d.neckline(choices.pick(("scoop neck", "square neck")))
    return Design(
        ("tank top", "vest top"),
        (d.sleeveless(), d.body(d.strap_top(84, 22, 24)), d.stitched_hem(81, 23), neck),
    )


def shirt(choices: Choices) -> Design:
    bottom = [(0, 90), (10, 89, 0.8), (20, 84, 0.6)]
    half = [*d.torso(82)[:5], (24, 80), *bottom[::-1]]
    features = [
        d.sleeves(choices.pick(("long", "long", "short")), cuff="fabric"),
        d.body(symmetric(half)),
        d.placket(24, 89),
        d.buttons(30, 84, 6),
        d.shirt_collar(),
    ]
    if choices.chance(0.6):
        features.append(d.chest_pocket())
    return Design(
        ("shirt",),
        tuple(features),
        patterns=("plain", "plain", "pinstriped", "checked", "checked", "dotted", "floral", "striped"),
    )


def polo_shirt(choices: Choices) -> Design:
    placket = [(-2.6, 16), (2.6, 16), (2.6, 42), (-2.6, 42)]
    count = choices.pick((2, 3))
    features = [
        d.sleeves(choices.pick(("short", "short", "long")), cuff="second"),
        d.body(d.torso(84)),
        d.stitched_hem(81, 23),
        Feature("placket", [Piece(placket, "main", 1.05, back=False)]),
        d.buttons(28, 38, count),
        d.shirt_collar("second"),
    ]
    return Design(("polo shirt", "polo"), tuple(features), patterns=("plain", "plain", "striped", "colour-block"))


def blouse(choices: Choices) -> Design:
    ribbon = [(0, 18), (5, 12, 0.6), (16, 13, 0.5), (16, 24, 0.5), (5, 23, 0.6)]
    tail = [(0, 19), (4, 19), (10, 40), (4, 42)]
    bow = Feature(
        "bow",
        [
            *(Piece(shape, "second", 1, back=False) for shape in (tail, mirrored(tail), ribbon, mirrored(ribbon))),
            Piece(ellipse(0, 18, 3), "second", 0.9, back=False),
            Piece([(-9, 10), (0, 14), (9, 10)], "second", width=3, front=False),
        ],
        ("a {second} bow at the neck", "a {second} neck bow"),
    )
    features = (
        d.sleeves(choices.pick(("long", "three-quarter", "short")), cuff="main", puff=4),
        d.body(d.torso(78, waist=20, hip=26)),
        Feature("fold", [line([(x, 60), (x * 1.2, 78)]) for x in (-12, -4, 4, 12)]),
        d.neckline("crew neck"),
        bow,
    )
    return Design(("blouse",), features, patterns=("plain", "plain", "dotted", "floral", "pinstriped"))


def sweater(choices: Choices) -> Design:
    neck = choices.pick(("crew neck", "v-neck", "turtleneck"))
    return Design(
        ("sweater", "jumper"),
        (
            d.sleeves("long", cuff="main"),
            d.body(d.torso(82, waist=25, hip=25)),
            d.ribbed_hem(78, 25),
            d.turtleneck() if neck == "turtleneck" else d.neckline(neck, width=3.4),
        ),
        patterns=KNITTED,
        weave="knit",
    )


def hoodie(choices: Choices) -> Design:
    zipped = choices.chance(0.5)
    pocket = d.patch_pockets(13, 60, 13, 15) if zipped else d.kangaroo_pocket()
    return Design(
        ("hoodie", "sweatshirt"),
        (
            d.sleeves("long", cuff="main"),
            d.body(d.torso(84, waist=25, hip=25)),
            d.ribbed_hem(80, 25),
            pocket,
            *((d.zipper(22, 86),) if zipped else ()),
            d.hood(),
            d.drawstrings(),
        ),
        patterns=("plain", "plain", "plain", "colour-block", "striped"),
    )


def cardigan(choices: Choices) -> Design:
    neck = d.neckline("v-neck", width=3.6)
    features = [
        d.sleeves("long", cuff="main"),
        d.body(d.torso(84, waist=25, hip=25)),
        d.ribbed_hem(80, 25),
        Feature("placket", [Piece([(0, 31), (0, 86)], "main", 0.85, width=5, back=False)]),
        d.buttons(38, 82, choices.pick((4, 5))),
        neck,
    ]
    if choices.chance(0.6):
        features.append(d.patch_pockets(13, 62))
    return Design(("cardigan", "knitted cardigan"), tuple(features), patterns=KNITTED, weave="knit")
