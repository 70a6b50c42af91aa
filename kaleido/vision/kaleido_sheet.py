"""Draws what the Kaleido Patch Generator makes of a photo: the product's box and its five grids."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kaleido.constants import LEVEL_SLICES, LEVELS
from kaleido.vision.patches import cells

PANEL = 240
"""Pixels a side of the square that holds the photo or a grid."""

MARGIN = 20
GAP = 5
LABEL = 26
INK = (52, 58, 70)
ACCENT = (222, 72, 60)
PAPER = (224, 228, 236)
SHADE = (196, 201, 213)
"""Colour that the surroundings of the product fade to."""


def kaleido_sheet(photo: np.ndarray, mask: np.ndarray, box: tuple[int, int, int, int]) -> Image.Image:
    """Draws one product in a row: the photo with the product bright and its box outlined, then the five grids.

    Args:
        photo: uint8 [H, W, 3].
        mask: bool [H, W], True on the product.
        box: (x1, y1, x2, y2) in pixels, at least 5 a side.

    Returns:
        An RGB picture of about 1600x310 pixels.
    """
    panels = [("Photo", _photo_panel(photo, mask, box))]
    grid = cells(box)
    for level, rows in zip(LEVELS, LEVEL_SLICES, strict=True):
        panels.append((f"Level {level}  ·  {level} x {level}", _grid_panel(photo, grid[rows], level)))

    width = MARGIN + len(panels) * (PANEL + MARGIN)
    sheet = Image.new("RGB", (width, MARGIN + LABEL + PANEL + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for index, (label, panel) in enumerate(panels):
        left = MARGIN + index * (PANEL + MARGIN)
        draw.text((left + PANEL / 2, MARGIN + LABEL / 2 - 5), label, INK, font, anchor="mm")
        # Centred, so that products of any shape line up.
        sheet.paste(panel, (left + (PANEL - panel.width) // 2, MARGIN + LABEL + (PANEL - panel.height) // 2))
    return sheet


def kaleido_sheets(sheets: Sequence[Image.Image]) -> Image.Image:
    """Stacks the sheets of several products, separated by a thin line."""
    height = sum(sheet.height for sheet in sheets)
    stack = Image.new("RGB", (max(sheet.width for sheet in sheets), height), PAPER)
    draw = ImageDraw.Draw(stack)
    top = 0
    for sheet in sheets:
        stack.paste(sheet, (0, top))
        if top:
            draw.line((MARGIN, top, stack.width - MARGIN, top), SHADE, 2)
        top += sheet.height
    return stack


def _photo_panel(photo: np.ndarray, mask: np.ndarray, box: tuple[int, int, int, int]) -> Image.Image:
    faded = np.where(mask[..., None], photo, (0.4 * photo + 0.6 * np.array(SHADE)).astype(np.uint8))
    height, width = mask.shape
    scale = PANEL / max(height, width)
    panel = _enlarge(Image.fromarray(faded), round(width * scale), round(height * scale))
    x1, y1, x2, y2 = (edge * scale for edge in box)
    # The panel of a photo that is a thousand times as wide as high has only one row of pixels.
    right, bottom = max(x1, min(x2, panel.width) - 1), max(y1, min(y2, panel.height) - 1)
    ImageDraw.Draw(panel).rectangle((x1, y1, right, bottom), outline=ACCENT, width=3)
    return panel


def _grid_panel(photo: np.ndarray, grid: np.ndarray, level: int) -> Image.Image:
    """Draws the cells at one scale, moved apart by a gap."""
    left, top = grid[:, :2].min(axis=0)
    right, bottom = grid[:, 2:].max(axis=0)
    # All levels share the scale at which the 5x5 grid with its gaps fits.
    scale = (PANEL - GAP * (LEVELS[-1] - 1)) / max(right - left, bottom - top)
    width, height = round((right - left) * scale), round((bottom - top) * scale)
    whole = _enlarge(Image.fromarray(photo[top:bottom, left:right]), width, height)
    panel = Image.new("RGB", (width + GAP * (level - 1), height + GAP * (level - 1)), PAPER)
    edges = np.rint((grid - np.array([left, top, left, top])) * scale).astype(int)
    for place, edge in enumerate(edges.tolist()):
        row, column = divmod(place, level)
        panel.paste(whole.crop(edge), (edge[0] + column * GAP, edge[1] + row * GAP))
    return panel


def _enlarge(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((max(1, width), max(1, height)), Image.Resampling.LANCZOS)
