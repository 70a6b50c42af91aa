"""Designs of sneakers, boots, heels, sandals, loafers and socks; shoes are seen from the side, toe to the left."""

from dataclasses import replace

from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import Design, Feature, Piece, line
from kaleido.wardrobe.palette import LEATHERS
from kaleido.wardrobe.shapes import ellipse, moved, rectangle

_BRIGHT = ("white", "black", "red", "blue", "navy", "grey", "yellow", "pink", "green", "turquoise", "orange", "purple")


def sneakers(choices: Choices) -> Design:
    high = choices.chance(0.4)
    top = 26 if high else 40
    upper = [
        (-44, 70),
        (-43, 60, 0.9),
        (-24, 52, 0.6),
        (-2, top + 3),
        (6, top),
        (34, top + 2, 0.3),
        (35, 52, 0.8),
        (40, 72),
    ]
    tongue = [(-6, top + 8), (-6, top - 6, 0.4), (4, top - 8, 0.5), (9, top + 4)]
    mouth = [(2, top + 2), (8, top - 1), (33, top + 1), (30, top + 5, 0.8), (10, top + 6, 0.6)]
    sole = [(-46, 68, 0.5), (-20, 70, 0.5), (42, 68, 0.4), (42, 78, 0.5), (-45, 78, 0.5)]
    toe = [(-45, 71), (-43, 60, 0.9), (-32, 56), (-27, 71)]
    lace, rise = [(-21, 52), (-13, 56)], (46 - top) / 5
    laces = [Piece(moved(lace, i * 3.8, -i * rise), "light", 0.97, width=1.9, edge=0.4) for i in range(5)]
    stripes = [Piece([(x, 68), (x + 9, 51)], "second", width=3) for x in (-4, 4, 12)]
    features = (
        Feature("tongue", [Piece(tongue, "main", 0.8)]),
        Feature(
            "upper", [Piece(upper), Piece(mouth, "main", 0.45)], *((("a high top",), ("high-top",)) if high else ())
        ),
        *([Feature("toe cap", [Piece(toe, "sole", 0.97)], ("a white toe cap",))] if choices.chance(0.5) else []),
        Feature("stripe", stripes, ("{second} side stripes", "three {second} stripes")),
        Feature("heel tab", [Piece([(32, 46), (36, 46), (39, 60), (34, 60)], "second")]),
        Feature("lace", laces, ("white laces",)),
        Feature("sole", [Piece(sole, "sole"), line([(-44, 74), (42, 74)])], ("a white sole", "a white rubber sole")),
    )
    return Design(("sneakers", "trainers"), features, True, ("plain",), _BRIGHT)


def _boot(choices: Choices, top: float, noun: str) -> Design:
    heel = choices.pick(("flat", "block"))
    rise = 0 if heel == "flat" else 7
    shaft = [(-2, top), (27, top), (27, 60, 0.5), (31, 74, 0.5), (29, 86 - rise), (8, 86 - rise), (-8, 88), (-40, 88)]
    shaft += [(-42, 78, 0.9), (-24, 70, 0.8), (-4, 62, 0.7)]
    sole = [(-42, 87, 0.5), (-8, 87), (8, 85 - rise), (31, 85 - rise), (30, 93), (9, 93), (-6, 92), (-41, 92, 0.5)]
    features = [
        Feature("shaft", [Piece(shaft), Piece([(-2, top), (27, top), (26, top + 3), (-1, top + 3)], "main", 0.5)])
    ]
    kind = choices.pick(("laces", "zip", "elastic" if top > 30 else "buckle"))
    if kind == "laces":
        start = max(top + 6, 30)
        lace, drop = [(-6, start), (4, start + 2)], (68 - start) / 6
        cords = [Piece(moved(lace, -0.4 * i * i, i * drop), "light", 0.95, width=1.8, edge=0.4) for i in range(7)]
        features.append(Feature("lace", cords, ("white laces",), ("lace-up",)))
    elif kind == "zip":
        teeth = Piece([(17, top + 5), (17, 82 - rise)], "silver", width=1.6)
        features.append(Feature("zip", [teeth], ("a side zip",)))
    elif kind == "elastic":
        gore = [(6, top + 2), (19, top + 2), (15, 64), (10, 64)]
        features.append(Feature("elastic", [Piece(gore, "second", 0.9)], ("{second} elastic sides",)))
    else:
        strap = Piece([(-4, 62), (27, 58)], "main", 0.7, width=4)
        buckle = Piece(rectangle(8, 56.5, 15, 63.5, 0.3), "gold")
        features.append(Feature("buckle", [strap, buckle], ("an ankle strap with a buckle",)))
    words = ("a flat sole",) if heel == "flat" else ("a block heel",)
    features.append(Feature("heel" if rise else "sole", [Piece(sole, "rubber")], words))
    return Design((noun,), tuple(features), True, ("plain",), LEATHERS)


def ankle_boots(choices: Choices) -> Design:
    return _boot(choices, 38, "ankle boots")


def knee_boots(choices: Choices) -> Design:
    return _boot(choices, 4, "knee-high boots")


def heels(choices: Choices) -> Design:
    stiletto = choices.chance(0.5)
    upper = [
        (-44, 84),
        (-43, 78, 0.8),
        (-24, 72, 0.5),
        (0, 62, 0.9),
        (26, 32, 0.2),
        (36, 32, 0.3),
        (38, 52, 0.6),
        (24, 58),
    ]
    upper += [(0, 78, 0.9), (-20, 86)]
    inside = [(-22, 73), (0, 63, 0.9), (26, 33), (32, 36), (4, 68, 0.9)]
    slim = [(24, 56), (38, 50), (36, 64, 0.6), (33, 88), (30, 88), (30, 66, 0.6)]
    block = [(21, 58), (38, 50), (38, 88), (25, 88)]
    sole = [(-44, 83), (-20, 85), (0, 77, 0.9), (24, 57), (22, 62), (2, 82, 0.9), (-20, 88), (-43, 88, 0.5)]
    words = ("a thin heel", "a stiletto heel") if stiletto else ("a block heel",)
    features = [
        Feature("upper", [Piece(upper), Piece(inside, "main", 0.55)]),
        Feature("sole", [Piece(sole, "rubber", edge=0)]),
        Feature("heel", [Piece(slim if stiletto else block, "main", 0.85)], words),
    ]
    if choices.chance(0.5):
        strap = Piece([(2, 36), (18, 41, 0.9), (36, 36)], "main", 0.85, width=3)
        front = Piece([(2, 36), (16, 30, 0.9), (34, 33)], "main", 0.6, width=2.4)
        features.append(Feature("ankle strap", [front, strap], ("an ankle strap",)))
    elif choices.chance(0.6):
        bow = [(-34, 70), (-24, 74), (-14, 64), (-16, 76), (-24, 74), (-32, 80)]
        features.append(
            Feature("bow", [Piece(bow, "second"), Piece(ellipse(-24, 74, 2.4), "second", 0.9)], ("a {second} bow",))
        )
    return Design(
        ("high heels", "pumps"),
        tuple(features),
        True,
        ("plain",),
        ("black", "red", "pink", "beige", "navy", "burgundy", "white", "purple"),
    )


def sandals(choices: Choices) -> Design:
    footbed = [(-45, 78, 0.6), (-20, 78, 0.5), (10, 74, 0.5), (42, 74, 0.5), (43, 86, 0.5), (-45, 86, 0.6)]
    toe = [(-36, 79), (-32, 66, 0.8), (-18, 64, 0.8), (-12, 78)]
    middle = [(-8, 78), (-6, 58, 0.7), (6, 56, 0.6), (8, 77)]
    heel = [(30, 76), (31, 52), (41, 52, 0.3), (41, 76)]
    far = Piece([(2, 50), (16, 42, 0.9), (38, 50)], "main", 0.6, width=3)
    near = Piece([(2, 50), (16, 62, 0.9), (38, 54)], "main", 0.9, width=4.4)
    buckle = Piece(rectangle(13, 54, 20, 62, 0.3), "gold")
    two = choices.chance(0.5)
    words = ("two wide straps",) if two else ("a toe strap", "a wide toe strap")
    features = (
        Feature("counter", [Piece(heel)]),
        Feature("strap", [Piece(toe), *([Piece(middle)] if two else [])], words),
        Feature("ankle strap", [far, near], ("an ankle strap",)),
        Feature("buckle", [buckle], ("a gold buckle", "one gold buckle")),
        Feature("sole", [Piece(footbed, "brown"), line([(-44, 80), (42, 77)])], ("a flat brown sole",)),
    )
    return Design(("sandals",), features, True, ("plain",), tuple(c for c in LEATHERS if c != "brown"))


def loafers(choices: Choices) -> Design:
    upper = [
        (-44, 78),
        (-43, 66, 0.9),
        (-24, 60, 0.5),
        (-6, 48, 0.4),
        (4, 52),
        (12, 58, 0.9),
        (32, 46, 0.4),
        (39, 46, 0.3),
        (41, 78),
    ]
    inside = [(0, 50), (12, 58, 0.9), (32, 46), (38, 47), (14, 64, 0.9)]
    strap = [(-22, 60.5), (-8, 51), (3, 60), (-10, 71)]
    sole = [(-45, 77), (42, 77), (42, 87), (22, 87), (21, 82), (-44, 82, 0.5)]
    features = [Feature("upper", [Piece(upper), Piece(inside, "main", 0.5), line([(-40, 66), (-24, 62)])])]
    features.append(Feature("strap", [Piece(strap, "main", 0.8)]))
    detail = choices.pick(("tassel", "buckle"))
    if detail == "tassel":
        pieces = [Piece([(-12, 62), (-16, 74), (-8, 75)], "second"), Piece([(-8, 62), (-9, 75), (-2, 75)], "second")]
        features.append(Feature("tassel", pieces, ("{second} tassels",), ("tasselled",)))
    else:
        pieces = [Piece([(-14, 63), (-4, 57)], "gold", width=4)]
        features.append(Feature("buckle", pieces, ("a gold buckle", "a gold bar")))
    features.append(Feature("sole", [Piece(sole, "rubber")], ("a low heel", "a flat sole with a low heel")))
    return Design(("loafers",), tuple(features), True, ("plain",), LEATHERS)


def socks(choices: Choices) -> Design:
    long = choices.chance(0.5)
    top = 6 if long else 30
    sock = [
        (8, top),
        (26, top),
        (26, 62, 0.4),
        (27, 84, 0.9),
        (8, 92, 0.8),
        (-10, 92, 0.9),
        (-8, 76, 0.8),
        (8, 64, 0.6),
    ]
    heel = [(26.4, 66), (26.6, 84, 0.9), (17, 88), (19, 72, 0.9)]
    tip = [(0, 91.6), (-10, 92, 0.9), (-8, 77, 0.9), (0, 72)]
    cuff = rectangle(7.5, top, 26.5, top + 8)
    ribs = [line([(x, top + 1), (x, top + 8)], 0.6) for x in (11, 15, 19, 23)]
    length = "knee-high" if long else "short"
    parts = (
        ([Piece(sock)], (f"{length} legs",), (length,)),
        ([Piece(heel, "second")], ("{second} heels",), ()),
        ([Piece(tip, "second")], ("{second} toes",), ()),
        ([Piece(cuff, "second"), *ribs], ("{second} ribbed cuffs", "{second} cuffs"), ()),
    )
    features = [
        Feature(name, [replace(p, vertices=moved(p.vertices, *offset), side=side) for p in pieces], *words)
        for side, offset in (("left", (-26, -4)), ("right", (6, 2)))
        for name, (pieces, *words) in zip(("leg", "heel", "toe", "cuff"), parts)
    ]
    return Design(
        ("socks",),
        tuple(features),
        plural=True,
        patterns=("plain", "striped", "striped", "dotted", "diamond", "zigzag"),
        weave="knit",
    )
