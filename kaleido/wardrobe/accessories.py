"""Designs of hats, caps, beanies, scarves, ties, bow ties, belts, sunglasses, watches, gloves, umbrellas."""

from dataclasses import replace

from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import Design, Feature, Piece, line, pair
from kaleido.wardrobe.palette import LEATHERS
from kaleido.wardrobe.shapes import ellipse, moved, rectangle, symmetric

_KNITS = ("plain", "plain", "striped", "diamond", "zigzag")


def hat(choices: Choices) -> Design:
    wide = choices.chance(0.5)
    half = 47 if wide else 37
    brim = [
        (-half, 70, 0.9),
        (-half * 0.5, 62, 0.6),
        (half * 0.5, 62, 0.6),
        (half, 70, 0.9),
        (half * 0.4, 82, 0.7),
        (-half * 0.4, 82, 0.7),
    ]
    crown = [
        (-23, 70),
        (-21, 32, 0.9),
        (-8, 27, 0.6),
        (0, 31, 0.8),
        (8, 27, 0.6),
        (21, 32, 0.9),
        (23, 70),
        (0, 74, 0.9),
    ]
    band = [(-23.4, 58), (0, 63, 0.9), (23.4, 58), (23.6, 69), (0, 74, 0.9), (-23.6, 69)]
    words = ("a wide brim",) if wide else ("a narrow brim",)
    features = (
        Feature("brim", [Piece(brim)], words, ("wide-brimmed",) if wide else ()),
        Feature("crown", [Piece(crown, tone=1.03)]),
        Feature("band", [Piece(band, "second")], ("a {second} band", "a {second} ribbon")),
    )
    return Design(("hat", "felt hat"), features, patterns=("plain", "plain", "plain", "checked", "dotted"))


def cap(choices: Choices) -> Design:
    crown = [(-24, 66), (-24, 34, 0.9), (2, 24, 0.9), (30, 30, 0.9), (32, 68), (0, 70, 0.5)]
    visor = [(-25, 58), (-12, 62), (-16, 70, 0.5), (-36, 76, 0.8), (-48, 74, 0.9), (-40, 64, 0.8)]
    seams = [line([(2, 28), (-8, 44, 0.8), (-10, 68)]), line([(3, 28), (16, 44, 0.8), (18, 69)])]
    visor_paint = choices.pick(("main", "second"))
    words = ("a {second} visor", "a {second} peak") if visor_paint == "second" else ("a curved visor",)
    features = [
        Feature("crown", [Piece(crown)]),
        Feature("seam", seams),
        Feature("visor", [Piece(visor, visor_paint, 0.9)], words),
        Feature("button", [Piece(ellipse(2, 27.5, 3, 2), "second")], ("a {second} top button",)),
    ]
    if choices.chance(0.5):
        features.append(
            Feature("badge", [Piece(ellipse(-10, 50, 6), "second", back=False)], ("a round {second} badge",))
        )
    return Design(("cap", "baseball cap"), tuple(features), patterns=("plain", "plain", "checked", "striped", "dotted"))


def beanie(choices: Choices) -> Design:
    dome = symmetric([(0, 22), (18, 22, 0.8), (30, 44, 0.8), (31, 76), (0, 78)])
    cuff = symmetric([(0, 68), (33, 66, 0.2), (33, 86, 0.3), (0, 88)])
    ribs = [line([(x, 69), (x, 86)], 0.8) for x in range(-28, 29, 7)]
    features = [Feature("crown", [Piece(dome)])]
    if choices.chance(0.6):
        fluff = [Piece(ellipse(x, y, r), "second", t, edge=0) for x, y, r, t in ((0, 16, 11, 0.92), (-3, 13, 6, 1.05))]
        features.append(Feature("pompom", fluff, ("a {second} pompom", "a {second} bobble")))
    features.append(
        Feature("cuff", [Piece(cuff, choices.pick(("main", "second")), 0.9), *ribs], ("a folded cuff", "a ribbed cuff"))
    )
    return Design(("beanie", "knitted hat"), tuple(features), patterns=_KNITS, weave="knit")


def scarf(choices: Choices) -> Design:
    loop = [(-22, 16, 0.8), (0, 6, 0.9), (22, 16, 0.9), (24, 32, 0.9), (0, 42, 0.9), (-24, 32, 0.9)]
    hole = [(-13, 18, 0.9), (0, 14, 0.9), (13, 18, 0.9), (10, 25, 0.9), (0, 28, 0.9), (-10, 25, 0.9)]
    behind = [(-4, 34), (10, 32), (22, 76), (6, 80)]
    tail = [(-14, 34), (2, 36), (-2, 90), (-20, 90)]
    fringed = choices.chance(0.6)
    thread = [(0, -0.5), (0, 7)]
    fringe = [
        Piece(moved(thread, x + i * 3, y + i * slope), "second", width=1.5, edge=0.4, side=side)
        for side, x, y, slope in (("left", -20, 90, 0), ("right", 5.5, 80, -0.67))
        for i in range(7)
    ]
    features = [
        Feature("end", [Piece(behind, tone=0.85), Piece(tail)], ("two hanging ends", "two long ends")),
        Feature("loop", [Piece(loop, tone=1.04), Piece(hole, "main", 0.5), line([(-20, 34), (0, 38, 0.9), (20, 32)])]),
    ]
    if fringed:
        features.append(Feature("fringe", fringe, ("{second} fringes", "{second} fringed ends"), ("fringed",)))
    return Design(("scarf", "winter scarf"), tuple(features), patterns=(*_KNITS, "checked", "striped"), weave="knit")


def tie(choices: Choices) -> Design:
    wide = choices.chance(0.5)
    half = 14 if wide else 9
    blade = [(-5, 16), (5, 16), (half, 82), (0, 98), (-half, 82)]
    knot = [(-9, 2), (9, 2), (6, 17), (-6, 17)]
    features = [
        Feature(
            "blade",
            [Piece(blade)],
            ("a wide blade",) if wide else ("a narrow blade",),
            ("wide",) if wide else ("slim",),
        ),
        Feature("knot", [Piece(knot, tone=0.85)], ("a knot", "a tied knot")),
    ]
    if choices.chance(0.3):
        features.append(
            Feature("clip", [Piece([(-9, 48), (8, 48)], "gold", width=3, back=False)], ("a gold tie clip",))
        )
    return Design(
        ("tie", "necktie"), tuple(features), patterns=("plain", "striped", "dotted", "diamond", "checked", "zigzag")
    )


def bow_tie(choices: Choices) -> Design:
    wing = [(0, 50), (14, 36, 0.6), (42, 30, 0.3), (42, 72, 0.3), (14, 64, 0.6)]
    folds = [line([(6, 49), (22, 44)]), line([(6, 53), (22, 58)])]
    strap = [line([(-49, 42), (-30, 48, 0.8), (0, 48), (30, 48, 0.8), (49, 42)], 3.6, "main", 1.0)]
    features = (
        Feature("strap", strap, ("a neck strap",)),
        Feature("wing", pair(Piece(wing), *folds)),
        Feature("knot", [Piece(rectangle(-6, 43, 6, 58, 0.4), "second")], ("a {second} knot",)),
    )
    return Design(("bow tie",), features, patterns=("plain", "dotted", "dotted", "striped", "checked", "diamond"))


def belt(choices: Choices) -> Design:
    metal = choices.pick(("gold", "silver"))
    square = choices.chance(0.5)
    # A coiled belt: the far half of the loop at the back, the buckle on the left, the tip hanging on the right.
    far = [(-40, 46), (-30, 30, 0.9), (30, 30, 0.9), (42, 46)]
    near = [(-30, 58), (0, 66, 0.9), (30, 60, 0.9), (42, 46)]
    tip = [(-26, 58), (-8, 66, 0.6), (10, 80)]
    holes = [Piece(ellipse(x, y, 1.2), "ink", edge=0) for x, y in ((-6, 69), (-1, 73), (4, 77))]
    frame = rectangle(-42, 46, -22, 68, 0.2) if square else ellipse(-32, 57, 11)
    window = rectangle(-38, 50, -26, 64, 0.2) if square else ellipse(-32, 57, 7)
    shape = ("square", "round")[not square]
    features = (
        Feature("strap", [Piece(far, "main", 0.6, width=11), Piece(near, "main", width=12)]),
        Feature("tip", [Piece(tip, "main", 1.05, width=10)]),
        Feature("hole", holes, ("three holes", "punched holes")),
        Feature(
            "buckle",
            [Piece(frame, metal), Piece(window, "main", 0.7), Piece([(-32, 57), (-20, 57)], metal, width=2.4)],
            (f"a {shape} {metal} buckle",),
        ),
    )
    return Design(
        ("belt", "leather belt"), features, False, ("plain",), (*LEATHERS, "blue", "green"), views=("front", "zoom")
    )


def sunglasses(choices: Choices) -> Design:
    round_ = choices.chance(0.5)
    if round_:
        lens, rim = ellipse(21, 52, 15), ellipse(21, 52, 19)
    else:
        lens = [(6, 42, 0.3), (38, 40, 0.3), (36, 62, 0.8), (12, 64, 0.8)]
        rim = [(2.5, 38, 0.3), (43, 35, 0.3), (40, 66, 0.8), (9, 68, 0.8)]
    temple = Piece([(38, 44), (47, 34, 0.5), (44, 22)], "main", 0.7, width=3.4)
    bridge = Piece([(-6, 48), (0, 43, 0.9), (6, 48)], "main", 0.9, width=4)
    tint = choices.pick(("glass", "brown", "blue"))
    name = {"glass": "dark", "brown": "brown", "blue": "blue"}[tint]
    # The light falls on both lenses from the same side, so their reflections are not mirror images.
    gleam = Piece([(13, 56), (21, 44), (25, 44), (16, 58)], "light", opacity=0.35, side="right")
    gleams = [gleam, replace(gleam, vertices=moved(gleam.vertices, -42, 0), side="left")]
    features = (
        Feature("temple", pair(temple), ("slim temples",)),
        Feature("bridge", [bridge]),
        Feature(
            "frame",
            pair(Piece(rim, "main")),
            (f"{'round' if round_ else 'square'} frames",),
            ("round" if round_ else "square",),
        ),
        Feature("lens", [*pair(Piece(lens, tint)), *gleams], (f"{name} lenses",)),
    )
    return Design(("sunglasses", "shades"), features, True, ("plain",), views=("front", "zoom"))


def watch(choices: Choices) -> Design:
    round_ = choices.chance(0.6)
    case, dial = (
        (ellipse(0, 44, 21), ellipse(0, 44, 16.5))
        if round_
        else (rectangle(-18, 25, 18, 63, 0.25), rectangle(-14, 29, 14, 59, 0.2))
    )
    metal = choices.pick(("gold", "silver"))
    dial_paint = choices.pick(("light", "second"))
    hands = [Piece([(0, 44), (-7, 36)], "ink", width=2.2), Piece([(0, 44), (8, 34)], "ink", width=1.6)]
    ticks = [
        Piece([(x, 44 + y), (x * 0.85, 44 + y * 0.85)], "ink", width=1.4)
        for x, y in ((0, -14), (12, 0), (0, 14), (-12, 0))
    ]
    upper = [(-11, 30), (-9, 8, 0.2), (9, 8, 0.2), (11, 30)]
    lower = [(-11, 58), (-9, 92, 0.3), (0, 99, 0.8), (9, 92, 0.3), (11, 58)]
    holes = [Piece(ellipse(0, y, 1.2), "ink", edge=0) for y in (76, 82, 88)]
    buckle = [Piece(rectangle(-11.5, 2, 11.5, 10, 0.3), metal), Piece(rectangle(-7.5, 4.4, 7.5, 8, 0.2), "main", 0.6)]
    features = (
        Feature("strap", [Piece(upper, "main"), Piece(lower, "main"), *holes]),
        Feature("buckle", buckle),
        Feature("crown", [Piece(rectangle(19, 41, 24.5, 47, 0.3), metal)]),
        Feature("case", [Piece(case, metal)], (f"a {'round' if round_ else 'square'} {metal} case",)),
        Feature(
            "dial",
            [Piece(dial, dial_paint), *ticks, *hands],
            ("a white dial",) if dial_paint == "light" else ("a {second} dial",),
        ),
    )
    return Design(
        ("watch", "wristwatch"), features, False, ("plain",), (*LEATHERS, "blue", "green"), views=("front", "zoom")
    )


def gloves(choices: Choices) -> Design:
    hand = [
        (8, 84),
        (7, 62),
        (3, 50, 0.5),
        (0, 36, 0.9),
        (4, 35, 0.9),
        (10, 46),
        (10, 20, 0.8),
        (15, 19, 0.8),
        (16.5, 40),
    ]
    hand += [
        (17, 13, 0.8),
        (22, 13, 0.8),
        (23, 39),
        (24.5, 15, 0.8),
        (29, 16, 0.8),
        (29, 41),
        (31, 23, 0.8),
        (35, 24, 0.8),
    ]
    hand += [(34, 62, 0.5), (32, 84)]
    cuff = [(6.5, 76), (33.5, 76), (34, 94), (6, 94)]
    ribs = [line([(x, 77), (x, 93)], 0.8) for x in (11, 16, 21, 26)]
    cuffed = choices.pick(("main", "second"))
    words = ("{second} cuffs", "{second} ribbed cuffs") if cuffed == "second" else ("ribbed cuffs",)
    features = (
        Feature("hand", pair(Piece(hand))),
        Feature("cuff", pair(Piece(cuff, cuffed, 0.88), *ribs), words),
    )
    return Design(
        ("gloves", "winter gloves"), features, True, ("plain", "plain", "striped", "diamond", "dotted"), weave="knit"
    )


def umbrella(choices: Choices) -> Design:
    canopy = [
        (-46, 48),
        (-40, 14, 0.9),
        (0, 2, 0.9),
        (40, 14, 0.9),
        (46, 48),
        (31, 42, 0.9),
        (15.5, 48),
        (0, 42, 0.9),
        (-15.5, 48),
        (-31, 42, 0.9),
    ]
    ribs = [line([(0, 9), (x, 26, 0.6), (x * 1.15, 47)], 0.9) for x in (-13.5, 13.5)]
    shaft = Piece([(0, 1), (0, 88)], "silver", width=1.6)
    straight = choices.chance(0.4)
    hook = [(0, 78), (0, 98, 0.9), (13, 98, 0.9), (13, 88)]
    handle = Piece([(0, 74), (0, 95)] if straight else hook, "second", width=4.6)
    features = (
        Feature("shaft", [shaft]),
        Feature("canopy", [Piece(canopy), *ribs], ("a scalloped canopy", "a wide canopy")),
        Feature(
            "handle",
            [handle],
            ("a straight {second} handle",) if straight else ("a curved {second} handle", "a hooked {second} handle"),
        ),
    )
    return Design(
        ("umbrella",), features, patterns=("plain", "plain", "dotted", "striped", "floral"), views=("front", "zoom")
    )
