"""Colours and pattern of a product."""

from dataclasses import dataclass

from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import Design
from kaleido.wardrobe.palette import contrasting


@dataclass(frozen=True, slots=True)
class Look:
    """Two colours of `palette.COLOURS` and one of `patterns.PATTERNS`."""

    main: str
    second: str
    pattern: str


def choose_look(choices: Choices, design: Design) -> Look:
    """Chooses a look that suits a design."""
    main = choices.pick(design.colours)
    return Look(main, choices.pick(contrasting(main)), choices.pick(design.patterns))
