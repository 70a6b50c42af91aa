"""Photos and what was said of them, as one HTML page that needs no other file."""

import base64
import html
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kaleido.errors import UserError
from kaleido.vision.photo import decode

SIDE = 240
"""Pixels of a thumbnail's longer side."""

MOST = 1000
"""Photos on a sheet, 10 MB; of more, so many at even distances."""

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #343a46; background: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1.5em }
figure { margin: 0 } img { max-width: 100%; height: auto }
figcaption strong { display: block; font-weight: 600 } small { display: block; color: #6b7280 }
"""


@dataclass(frozen=True, slots=True)
class SheetItem:
    """One photo of the sheet.

    Attributes:
        name: Of the photo.
        read: Gives it, encoded or uint8 [H, W, 3].
        caption: What was said of it.
        references: What people wrote.
    """

    name: str
    read: Callable[[], bytes | np.ndarray]
    caption: str
    references: tuple[str, ...] = ()


def caption_sheet(title: str, items: list[SheetItem]) -> str:
    """The page; photos that cannot be read any more are left blank."""
    shown = items if len(items) <= MOST else [items[place * len(items) // MOST] for place in range(MOST)]
    count = f"{len(items):,} photos" if shown is items else f"{len(shown):,} of {len(items):,} photos"
    figures = "\n".join(map(_figure, shown))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1><p>{count}</p>\n<main>\n{figures}\n"
        "</main></body></html>\n"
    )


def _figure(item: SheetItem) -> str:
    lines: Iterable[str] = (item.name, *item.references)
    small = "".join(f"<small>{html.escape(line)}</small>" for line in lines)
    return (
        f"<figure>{_picture(item)}<figcaption><strong>{html.escape(item.caption)}</strong>{small}</figcaption></figure>"
    )


def _picture(item: SheetItem) -> str:
    try:
        photo = Image.fromarray(decode(item.read()))
    except UserError:
        return ""
    photo.thumbnail((SIDE, SIDE))
    jpeg = io.BytesIO()
    photo.save(jpeg, "JPEG", quality=85)
    data = base64.b64encode(jpeg.getvalue()).decode()
    return f'<img alt="" width="{photo.width}" height="{photo.height}" src="data:image/jpeg;base64,{data}">'
