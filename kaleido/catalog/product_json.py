"""A product as one line of `products.jsonl`; empty fields are left out."""

import json
from dataclasses import fields
from typing import Any

from kaleido.catalog.product import Part, Photo, Product


def encode(product: Product) -> str:
    """The product as JSON, without a line break."""
    return json.dumps(product, default=_filled_fields, ensure_ascii=False)


def decode(line: str) -> Product:
    """The product of a line.

    Raises:
        KeyError, TypeError, ValueError: Where the line is not what `encode` writes.
    """
    data = json.loads(line)
    return Product(title=data.pop("title", ""), photos=tuple(_photo(**photo) for photo in data.pop("photos")), **data)


def _filled_fields(instance: Any) -> dict[str, Any]:
    values = {field.name: getattr(instance, field.name) for field in fields(instance)}
    return {name: value for name, value in values.items() if value not in ("", None, (), {})}


def _photo(box: list[float] | None = None, parts: list[dict] = (), **rest: str) -> Photo:
    return Photo(box=tuple(box) if box else None, parts=tuple(_part(**part) for part in parts), **rest)


def _part(name: str, words: list[str], box: list[float]) -> Part:
    return Part(name, tuple(words), tuple(box))
