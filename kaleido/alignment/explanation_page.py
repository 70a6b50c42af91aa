"""An explained product as one picture and one HTML page."""

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kaleido.alignment.explanation import Explanation
from kaleido.alignment.rule import FIRST_PATCH, patch_boxes
from kaleido.atomic import write_atomically
from kaleido.vision.kaleido_sheet import ACCENT, GAP, INK, LABEL, MARGIN, PANEL, PAPER, kaleido_sheet

TILE = 150
"""Pixels a side of a word's picture."""

HEAT = (235, 120, 20)
"""What the greatest heat is tinted with."""

MOST_TILES = 20
"""Words shown in the picture; the page shows them all."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1640px; color: #343a46; background: #fff }
h2 { font-size: 1.1em; margin: 2em 0 .5em } img { max-width: 100%; height: auto }
.tiles { display: flex; flex-wrap: wrap; gap: 14px } figure { margin: 0; text-align: center; font-size: 13px }
mark { background: #f6c9c3; padding: 0 .2em; border-radius: 3px } small { color: #6b7280 }
"""


def write_explanation(found: Explanation, directory: Path) -> tuple[Path, Path]:
    """Writes `NAME.png` and `NAME.html`; returns where they are."""
    name = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in found.name)
    picture, page = directory / f"{name}.png", directory / f"{name}.html"
    write_atomically(picture, _png(explanation_picture(found)))
    write_atomically(page, explanation_page(found).encode())
    return picture, page


def explanation_picture(found: Explanation) -> Image.Image:
    """The way of one product from top to bottom, an RGB picture some 1600 pixels wide."""
    sheet = kaleido_sheet(found.photo.photo, found.photo.mask, found.photo.box)
    bands = [("1. The product, found and cut into kaleido patches", sheet)]
    if tiles := caption_tiles(found)[:MOST_TILES]:
        bands.append(("2. A generated caption, and where the captioner looked", _row(tiles, sheet.width)))
    if tiles := pair_tiles(found)[:MOST_TILES]:
        bands.append(("3. Words of the text and the patches that they are aligned with", _row(tiles, sheet.width)))
    bands.append(("4. What the model gets: words masked, patches corrupted", _input_panel(found, sheet.width)))
    title = ImageFont.load_default(size=19)
    height = sum(band.height + 2 * LABEL for _, band in bands)
    picture = Image.new("RGB", (sheet.width, height), PAPER)
    draw, top = ImageDraw.Draw(picture), 0
    for text, band in bands:
        draw.text((MARGIN, top + LABEL), text, INK, title, anchor="lm")
        picture.paste(band, (0, top + 2 * LABEL))
        top += band.height + 2 * LABEL
    return picture


def explanation_page(found: Explanation) -> str:
    """The same as a page that needs no other file."""
    sheet = kaleido_sheet(found.photo.photo, found.photo.mask, found.photo.box)
    captions, pairs = caption_tiles(found), pair_tiles(found)
    missing = "<p>No captioner here: <code>python -m kaleido align</code> trains one.</p>"
    said = missing if found.caption is None else "<p>It says nothing.</p>"
    none = "<p>No pairs: no word of this text is sure enough.</p>" if found.aligned else missing
    tokens = " ".join(
        f"<mark>{html.escape(token)}</mark>" if masked else html.escape(token)
        for token, masked in zip(found.tokens, found.masked)
    )
    x1, y1, x2, y2 = found.photo.box
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(found.name)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(found.name)}</h1>\n"
        f"<p>{html.escape(found.text)}</p><p><small>{found.split}; product at x {x1} to {x2}, y {y1} to {y2} of a "
        f"photo of {found.photo.photo.shape[1]} x {found.photo.photo.shape[0]} pixels</small></p>\n"
        f"<h2>The product, found and cut into kaleido patches</h2>{_img(sheet)}\n"
        f"<h2>A generated caption, and where the captioner looked</h2>{_figures(captions) or said}\n"
        f"<h2>Words of the text and the patches that they are aligned with</h2>{_figures(pairs) or none}\n"
        f"<h2>What the model gets: words masked, patches corrupted</h2><p>{tokens}</p>"
        f"{_img(_input_panel(found, sheet.width, with_text=False))}</body></html>\n"
    )


def caption_tiles(found: Explanation) -> list[tuple[str, Image.Image]]:
    """Each word of the generated caption, and the product with the word's attention."""
    if not found.caption:
        return []
    return [(word, _heated(found.photo.crop, heat)) for word, heat in zip(*found.caption)]


def pair_tiles(found: Explanation) -> list[tuple[str, Image.Image]]:
    """Each aligned word, and the product with its heat (where it is a word of the text) and its patches outlined."""
    tiles, boxes = [], patch_boxes()
    for word in np.unique(found.pairs.word):
        own = found.pairs.word == word
        heated = found.heat and found.heat.words == found.words
        tile = _heated(found.photo.crop, found.heat.heat[word]) if heated else _tile(found.photo.crop)
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
    """The pieces in lines, each with whether it was masked."""
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
    """Tiles beside and below each other, each with its word."""
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
    """The product, faded, and redder where the heat is greater."""
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
