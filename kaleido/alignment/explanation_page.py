"""An explained product as one picture and one HTML page."""

import base64
import html
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kaleido.alignment.rule import FIRST_PATCH, patch_boxes
from kaleido.atomic import write_atomically
from kaleido.records.pairs import Pairs
from kaleido.vision.kaleido_sheet import ACCENT, GAP, INK, LABEL, MARGIN, PANEL, PAPER, kaleido_sheet

if TYPE_CHECKING:
    from kaleido.alignment.aligner import Heat

TILE = 150
"""Pixels a side of a word's picture."""

HEAT = (235, 120, 20)
"""Colour of the greatest heat."""

MOST_TILES = 20
"""Largest number of words in the picture; the page shows them all."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1640px; color: #343a46; background: #fff }
h2 { font-size: 1.1em; margin: 2em 0 .5em } img { max-width: 100%; height: auto }
.tiles { display: flex; flex-wrap: wrap; gap: 14px } figure { margin: 0; text-align: center; font-size: 13px }
mark { background: #f6c9c3; padding: 0 .2em; border-radius: 3px } small { color: #6b7280 }
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One photo and its text, from the photo to what the model gets.

    Attributes:
        name: Id of the photo.
        split: Split of its product.
        text: Text of the product as the catalogue has it.
        photo: uint8 [H, W, 3].
        mask: bool [H, W], the product, drawn from the cell mask that the records keep.
        box: (x1, y1, x2, y2) of the product in pixels.
        picture: uint8 [224, 224, 3], what is in the box.
        words: Words of the text as the records have it.
        heat: Heat-maps of these words, or of the caption's; None without an aligner.
        caption: Words of a generated caption and their attention [n, L]; None without an aligner.
        pairs: Pairs that the records have.
        aligned: Whether `align` has seen the records.
        tokens: Tokens that the model reads.
        masked: bool, which of the tokens were masked.
        patches: What the model gets of each level, uint8 [n, s, s, 3].
        notes: What was done to each level.
        changed: Places of each level that were changed.
    """

    name: str
    split: str
    text: str
    photo: np.ndarray
    mask: np.ndarray
    box: tuple[int, int, int, int]
    picture: np.ndarray
    words: list[str]
    heat: "Heat | None"
    caption: tuple[list[str], np.ndarray] | None
    pairs: Pairs
    aligned: bool
    tokens: list[str]
    masked: np.ndarray
    patches: list[np.ndarray]
    notes: list[str]
    changed: list[list[int]]

    def write(self, directory: str | Path) -> tuple[Path, Path]:
        """Writes `NAME.png` and `NAME.html`; returns their paths."""
        name = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in self.name)
        picture, page = Path(directory) / f"{name}.png", Path(directory) / f"{name}.html"
        write_atomically(picture, _png(self.draw()))
        write_atomically(page, self.page().encode())
        return picture, page

    def draw(self) -> Image.Image:
        """Draws the steps from top to bottom: an RGB picture some 1600 pixels wide."""
        sheet = kaleido_sheet(self.photo, self.mask, self.box)
        bands = [("1. The product, found and cut into kaleido patches", sheet)]
        if tiles := caption_tiles(self)[:MOST_TILES]:
            bands.append(("2. A generated caption, and where the captioner looked", _row(tiles, sheet.width)))
        if tiles := pair_tiles(self)[:MOST_TILES]:
            bands.append(("3. Words of the text and the patches that they are aligned with", _row(tiles, sheet.width)))
        bands.append(("4. What the model gets: words masked, patches corrupted", _input_panel(self, sheet.width)))
        title = ImageFont.load_default(size=19)
        height = sum(band.height + 2 * LABEL for _, band in bands)
        picture = Image.new("RGB", (sheet.width, height), PAPER)
        draw, top = ImageDraw.Draw(picture), 0
        for text, band in bands:
            draw.text((MARGIN, top + LABEL), text, INK, title, anchor="lm")
            picture.paste(band, (0, top + 2 * LABEL))
            top += band.height + 2 * LABEL
        return picture

    def page(self) -> str:
        """Writes the steps as an HTML page that needs no other file."""
        sheet = kaleido_sheet(self.photo, self.mask, self.box)
        missing = "<p>No captioner here: <code>kaleido align</code> trains one.</p>"
        empty = missing if self.caption is None else "<p>The caption is empty.</p>"
        no_pairs = "<p>No pairs: no word of this text reaches the confidence.</p>" if self.aligned else missing
        tokens = " ".join(
            f"<mark>{html.escape(token)}</mark>" if masked else html.escape(token)
            for token, masked in zip(self.tokens, self.masked)
        )
        x1, y1, x2, y2 = self.box
        height, width = self.photo.shape[:2]
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.name)}</title>'
            f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(self.name)}</h1>\n"
            f"<p>{html.escape(self.text)}</p><p><small>{self.split}; product at x {x1} to {x2}, y {y1} to {y2} of a "
            f"photo of {width} x {height} pixels</small></p>\n"
            f"<h2>The product, found and cut into kaleido patches</h2>{_img(sheet)}\n"
            f"<h2>A generated caption, and where the captioner looked</h2>{_figures(caption_tiles(self)) or empty}\n"
            "<h2>Words of the text and the patches that they are aligned with</h2>"
            f"{_figures(pair_tiles(self)) or no_pairs}\n"
            f"<h2>What the model gets: words masked, patches corrupted</h2><p>{tokens}</p>"
            f"{_img(_input_panel(self, sheet.width, with_text=False))}</body></html>\n"
        )


def caption_tiles(found: Explanation) -> list[tuple[str, Image.Image]]:
    """Draws the product with the attention of each word of the generated caption."""
    if not found.caption:
        return []
    return [(word, _heated(found.picture, heat)) for word, heat in zip(*found.caption)]


def pair_tiles(found: Explanation) -> list[tuple[str, Image.Image]]:
    """Draws the product with the heat of each aligned word (if it is of the text) and the outlines of its patches."""
    tiles, boxes = [], patch_boxes()
    for word in np.unique(found.pairs.word):
        own = found.pairs.word == word
        heated = found.heat and found.heat.words == found.words
        tile = _heated(found.picture, found.heat.heat[word]) if heated else _tile(found.picture)
        draw = ImageDraw.Draw(tile)
        for patch in found.pairs.patch[own]:
            edges = boxes[patch - FIRST_PATCH] * (TILE - 1)
            draw.rectangle(tuple(np.rint(edges).astype(int).tolist()), outline=ACCENT, width=3)
        tiles.append((f"{found.words[word]}  {found.pairs.score[own][0]:.2f}", tile))
    return tiles


def _input_panel(found: Explanation, width: int, with_text: bool = True) -> Image.Image:
    font = ImageFont.load_default(size=15)
    lines = _lines(found, width - 2 * MARGIN, font) if with_text else []
    top = MARGIN + 22 * len(lines) + LABEL
    panel = Image.new("RGB", (width, top + PANEL + MARGIN), PAPER)
    draw = ImageDraw.Draw(panel)
    for number, line in enumerate(lines):
        left = MARGIN
        for text, masked in line:
            draw.text((left, MARGIN / 2 + 22 * number), text, ACCENT if masked else INK, font)
            left += draw.textlength(f"{text} ", font)
    for index, (patches, note, changed) in enumerate(zip(found.patches, found.notes, found.changed)):
        level = index + 1
        left = MARGIN + level * (PANEL + MARGIN)
        draw.text((left + PANEL / 2, top - LABEL / 2), f"Level {level}  ·  {note}", INK, font, anchor="mm")
        side = (PANEL - GAP * (level - 1)) // level
        for place, patch in enumerate(patches):
            row, column = divmod(place, level)
            at = (left + column * (side + GAP), top + row * (side + GAP))
            panel.paste(Image.fromarray(patch).resize((side, side), Image.Resampling.LANCZOS), at)
            if place in changed:
                draw.rectangle((*at, at[0] + side - 1, at[1] + side - 1), outline=ACCENT, width=3)
    draw.text((MARGIN + PANEL / 2, top + PANEL / 2), "One draw of an epoch.\nRed: to be completed.", INK, font, "mm")
    return panel


def _lines(found: Explanation, width: int, font) -> list[list[tuple[str, bool]]]:
    """Breaks the tokens into lines, each token with whether it was masked."""
    lines, left = [[]], 0.0
    for token, masked in zip(found.tokens, found.masked.tolist()):
        size = font.getlength(f"{token} ")
        if left + size > width and lines[-1]:
            lines.append([])
            left = 0.0
        lines[-1].append((token, masked))
        left += size
    return lines


def _row(tiles: list[tuple[str, Image.Image]], width: int) -> Image.Image:
    """Lays tiles out in rows, each with its word."""
    columns = (width - MARGIN) // (TILE + GAP)
    rows = -(-len(tiles) // columns)
    panel = Image.new("RGB", (width, rows * (TILE + LABEL) + MARGIN), PAPER)
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(size=14)
    for number, (word, tile) in enumerate(tiles):
        row, column = divmod(number, columns)
        left, top = MARGIN + column * (TILE + GAP), row * (TILE + LABEL)
        panel.paste(tile, (left, top))
        draw.text((left + TILE / 2, top + TILE + LABEL / 2), word, INK, font, anchor="mm")
    return panel


def _tile(crop: np.ndarray) -> Image.Image:
    return Image.fromarray(crop).resize((TILE, TILE), Image.Resampling.LANCZOS)


def _heated(crop: np.ndarray, heat: np.ndarray) -> Image.Image:
    """Tints the faded product by heat."""
    side = round(len(heat) ** 0.5)
    scaled = (255 * heat / max(heat.max(), 1e-12)).astype(np.uint8).reshape(side, side)
    mask = Image.fromarray(scaled).resize((TILE, TILE), Image.Resampling.BICUBIC)
    share = 0.75 * np.asarray(mask, np.float32)[..., None] / 255
    faded = 0.6 * np.asarray(_tile(crop), np.float32) + 0.4 * np.array(PAPER)
    shown = faded * (1 - share) + np.array(HEAT) * share
    return Image.fromarray(shown.astype(np.uint8))


def _figures(tiles: list[tuple[str, Image.Image]]) -> str:
    figures = "".join(
        f"<figure>{_img(tile)}<figcaption>{html.escape(word)}</figcaption></figure>" for word, tile in tiles
    )
    return f'<div class="tiles">{figures}</div>' if tiles else ""


def _img(picture: Image.Image) -> str:
    data = base64.b64encode(_png(picture)).decode()
    return f'<img alt="" width="{picture.width}" height="{picture.height}" src="data:image/png;base64,{data}">'


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
