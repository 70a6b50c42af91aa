"""Product feeds in XML, such as Google Merchant's in RSS or Atom: an element a product."""

from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

from kaleido.errors import UserError
from kaleido.extras import missing_extras_named

ITEMS = ("item", "entry", "product", "offer", "shopitem", "article", "record", "row")
"""Names of elements that are products; the first of them that occurs is that of the whole feed."""


_DEEPEST = 200
_GOOGLE = "{http://base.google.com/"


def feed_rows(file: BinaryIO, name: str, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the number of every product, from 1, and its values by the name of the element, without namespaces.

    An element that occurs several times in a product gives a list, one with elements of its own an object or a list.

    Raises:
        UserError: if the file is not XML or defines entities, which could expand without limit.
    """
    with missing_extras_named():
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import DefusedXMLParser, iterparse

    item, number, inside, above = "", 0, 0, []
    try:
        parser = DefusedXMLParser(encoding=encoding, forbid_dtd=False, forbid_entities=True, forbid_external=True)
        for event, element in iterparse(file, events=("start", "end"), parser=parser):
            tag = local_name(element.tag)
            if event == "start":
                above.append(element)
                if len(above) > _DEEPEST:
                    raise ValueError("its elements are nested too deeply")
                item = item or (tag if tag.lower() in ITEMS and len(above) > 1 else "")
                inside += tag == item
                continue
            above.pop()
            inside -= tag == item
            if tag == item and not inside:
                number += 1
                yield number, _values(element)
            if not inside and above:  # what was read is given up
                above[-1].remove(element)
    except DefusedXmlException:
        raise UserError(
            f"{name} looks like XML that defines entities, which could expand without limit; export it without."
        ) from None
    except (ParseError, LookupError, ValueError) as error:
        advice = "; if it has another encoding than it says, name it by --encoding" if "token" in str(error) else ""
        raise UserError(f"{name} looks like XML, and is damaged ({error}); export the feed again{advice}.") from None
    if not number:
        raise UserError(
            f"{name} looks like XML, but not like a product feed: it has none of the elements {', '.join(ITEMS)}; "
            "export the products as a feed or as CSV."
        )


def local_name(tag: Any) -> str:
    """Name of an element without its namespace; empty for comments."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _values(item: Element) -> dict[str, Any]:
    values: dict[str, Any] = {local_name(key): value for key, value in item.attrib.items()}
    found: dict[str, list[Any]] = {}
    google: set[str] = set()
    for child in item:
        name = local_name(child.tag)
        value = _value(child)
        if not name or value in ("", {}, []):
            continue
        # A feed has a product's `g:title` beside the `title` of its entry.
        if child.tag.startswith(_GOOGLE) and name not in google:
            google.add(name)
            found[name] = []
        if name not in google or child.tag.startswith(_GOOGLE):
            found.setdefault(name, []).append(value)
    return values | {name: several if several[1:] else several[0] for name, several in found.items()}


def _value(element: Element, depth: int = 0) -> Any:
    text = "".join(part for part in (element.text, *(child.tail for child in element)) if part).strip()
    if not len(element):
        return text or element.get("href", "") or element.get("url", "")
    if text or depth > 20:  # words with markup between them
        return " ".join("".join(element.itertext()).split())
    names = {local_name(child.tag) for child in element}
    children = [_value(child, depth + 1) for child in element]
    if len(names) == 1:
        return children
    return {local_name(child.tag): value for child, value in zip(element, children)}
