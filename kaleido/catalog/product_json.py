"""Products as lines of `products.jsonl`; empty fields are left out."""

import json
from dataclasses import fields
from json.encoder import encode_basestring as _quoted
from typing import Any

from kaleido.catalog.product import Photo, Product
from kaleido.untrusted import checked


def encode(product: Product) -> str:
    """Encodes a product as JSON without line breaks, as `json.dumps` does, in half of its time."""
    encoded = [f'"id": {_quoted(product.id)}']
    if product.title:
        encoded.append(f'"title": {_quoted(product.title)}')
    if product.photos:
        encoded.append(f'"photos": [{", ".join(map(_photo, product.photos))}]')
    for name in ("description", "category", "subcategory", "split"):
        if value := getattr(product, name):
            encoded.append(f'"{name}": {_quoted(value)}')
    if product.attributes:
        pairs = [f"{_quoted(name)}: {_quoted(value)}" for name, value in product.attributes.items()]
        encoded.append(f'"attributes": {{{", ".join(pairs)}}}')
    return f"{{{', '.join(encoded)}}}"


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


def _photo(photo: Photo) -> str:
    if photo.view or photo.mask_uri or photo.box or photo.parts:
        return json.dumps(_filled_fields(photo), default=_filled_fields, ensure_ascii=False)
    return f'{{"id": {_quoted(photo.id)}, "uri": {_quoted(photo.uri)}}}'


def _filled_fields(instance: Any) -> dict[str, Any]:
    return {field.name: value for field in fields(instance) if (value := getattr(instance, field.name))}
