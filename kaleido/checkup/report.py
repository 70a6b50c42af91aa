"""Writes findings as one HTML page, with photos, and as CSV."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kaleido.atomic import write_together
from kaleido.catalog.product import Product
from kaleido.checkup.finding import KINDS, Finding
from kaleido.errors import UserError
from kaleido.rows import csv_bytes
from kaleido.vision.photo import decode

PAGE, TABLE = "report.html", "findings.csv"

_SIDE = 192
_TEXT = 120
_COLUMNS = ("kind", "product", "photo", "score", "reason", "other_product", "other_photo")


def write_report(
    out: Path,
    name: str,
    summary: str,
    findings: Sequence[Finding],
    products: Mapping[str, Product],
    read: Callable[[str], Any],
    labels: Sequence[tuple[str, Mapping[str, str]]],
    notes: Sequence[str],
    most: int,
) -> None:
    """Writes `report.html` and `findings.csv`.

    Args:
        out: Folder to write to.
        name: Name of the catalogue.
        summary: Line below the title.
        findings: Findings of all kinds, the surest of a kind first.
        products: Products by id.
        read: Reads a photo by its uri.
        labels: Name and values by product of the labels.
        notes: What the reader should know, a line each.
        most: Findings of a kind that the page shows.
    """
    from jinja2 import Environment

    sections = []
    for kind, (title, meaning) in KINDS.items():
        some = [finding for finding in findings if finding.kind == kind]
        cards = [_card(finding, products, read, labels) for finding in some[:most]]
        sections.append({"kind": kind, "title": title, "meaning": meaning, "count": len(some), "shown": cards})
    template = files("kaleido.checkup").joinpath(PAGE).read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    html = page.render(name=name, summary=summary, sections=sections, notes=notes)
    rows = [
        (one.kind, one.product, one.photo, f"{one.score:.4f}", one.reason, one.other, one.other_photo)
        for one in findings
    ]
    table = csv_bytes([_COLUMNS, *rows])
    write_together(out, {PAGE: html.encode("utf-8", "replace"), TABLE: table})


def _card(
    finding: Finding,
    products: Mapping[str, Product],
    read: Callable[[str], Any],
    labels: Sequence[tuple[str, Mapping[str, str]]],
) -> dict[str, Any]:
    figures = [_figure(products[finding.product], finding.photo, read, labels)]
    if finding.other:
        figures.append(_figure(products[finding.other], finding.other_photo, read, labels))
    return {"figures": figures, "reason": finding.reason, "percent": int(100 * finding.score)}


def _figure(
    product: Product, photo: str, read: Callable[[str], Any], labels: Sequence[tuple[str, Mapping[str, str]]]
) -> dict[str, str]:
    shown = next((one for one in product.photos if one.id == photo), product.photos[0])
    text = " ".join(product.text.split())
    return {
        "product": product.id,
        "photo": shown.id,
        "text": text if len(text) <= _TEXT else text[: _TEXT - 1] + "…",
        "labels": " · ".join(value for _, values in labels if (value := values.get(product.id, ""))),
        "picture": _picture(shown.uri, read),
    }


def _picture(uri: str, read: Callable[[str], Any]) -> str:
    """A small picture as an address that holds it; empty if the photo cannot be read."""
    try:
        photo = decode(read(uri))
    except UserError:
        return ""
    picture = Image.fromarray(np.asarray(photo))
    picture.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
