"""Renders photos and captions as one self-contained HTML page."""

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
"""Length of a thumbnail's longer side, in pixels."""

LIMIT = 1000
"""Largest number of photos on a page, about 10 MB; of more, an evenly spaced selection is shown."""

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #343a46; background: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1.5em }
figure { margin: 0 } img { max-width: 100%; height: auto }
figcaption strong { display: block; font-weight: 600 } small { display: block; color: #6b7280 }
"""


@dataclass(frozen=True, slots=True)
class SheetItem:
    """One photo of the page.

    Attributes:
        name: Name of the photo.
        read: Function that reads the photo, encoded or as uint8 [H, W, 3].
        caption: Generated caption.
        references: Texts of the product.
    """

    name: str
    read: Callable[[], bytes | np.ndarray]
    caption: str
    references: tuple[str, ...] = ()


def caption_sheet(title: str, items: list[SheetItem]) -> str:
    """Renders the page; photos that can no longer be read are left blank."""
    shown = items if len(items) <= LIMIT else [items[place * len(items) // LIMIT] for place in range(LIMIT)]
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
