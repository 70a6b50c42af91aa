"""Products as lines of `products.jsonl`; empty fields are left out."""

import json
from dataclasses import fields
from typing import Any

from kaleido.catalog.product import Part, Photo, Product
from kaleido.untrusted import checked


def encode(product: Product) -> str:
    """Encodes a product as JSON without line breaks."""
    return _ENCODER.encode(product)


def decode(line: bytes, where: str, advice: str) -> Product:
    """Decodes a line of `products.jsonl`.

    Args:
        line: The line.
        where: File and row, for the message.
        advice: What to do, for the message.

    Raises:
        UserError: if the line is not what `encode` returns.
    """
    return checked(Product, line, f"{where}: is not a product", advice)


def _filled_fields(instance: Any) -> dict[str, Any]:
    return {name: value for name in _NAMES[type(instance)] if (value := getattr(instance, name))}


_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (Product, Photo, Part)}
_ENCODER = json.JSONEncoder(default=_filled_fields, ensure_ascii=False)
