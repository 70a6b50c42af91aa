"""Products as lines of `products.jsonl`; empty fields are left out."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from kaleido.catalog.product import Box, Part, Photo, Product


def encode(product: Product) -> str:
    """Encodes a product as JSON without line breaks."""
    return _ENCODER.encode(product)


def decode(line: str | bytes) -> Product:
    """Decodes a line of `products.jsonl`.

    Raises:
        AttributeError, KeyError, RecursionError, TypeError, ValueError: if the line is not what `encode` returns.
    """
    data = json.loads(line)
    product = Product(
        title=data.pop("title", ""), photos=tuple(_photo(**photo) for photo in data.pop("photos")), **data
    )
    texts = [getattr(product, name) for name in ("id", "title", "description", "category", "subcategory", "split")]
    texts += [*product.attributes.keys(), *product.attributes.values()]
    texts += [text for photo in product.photos for text in (photo.id, photo.uri, photo.view, photo.mask_uri)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a field that must hold text does not")
    "".join(texts).encode()  # a JSON escape can be a lone surrogate, which cannot be encoded
    return product


def _filled_fields(instance: Any) -> dict[str, Any]:
    return {name: value for name in _NAMES[type(instance)] if (value := getattr(instance, name))}


_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (Product, Photo, Part)}
_ENCODER = json.JSONEncoder(default=_filled_fields, ensure_ascii=False)


def _photo(box: list[float] | None = None, parts: Sequence[dict[str, Any]] = (), **rest: str) -> Photo:
    return Photo(box=_box(box) if box else None, parts=tuple(_part(**part) for part in parts), **rest)


def _part(name: str, words: list[str], box: list[float]) -> Part:
    return Part(name, tuple(words), _box(box))


def _box(box: list[float]) -> Box:
    x1, y1, x2, y2 = (float(edge) for edge in box)
    return x1, y1, x2, y2
