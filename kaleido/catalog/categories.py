"""Names of classes: paths such as `Clothing > Dresses` are split, and variants in case or space are found."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from kaleido.catalog.notes import Notes
from kaleido.catalog.product import Product

Level = Literal["category", "subcategory"]
LEVELS: tuple[Level, ...] = ("category", "subcategory")

DEFAULT_LEVELS = (1, 2)

_STEP, _STEP_OR_SLASH = re.compile(r"\s*(?:>+|»|›|→)\s*"), re.compile(r"\s*(?:>+|»|›|→|/)\s*")
# WooCommerce lists the paths of a product with commas and writes a comma within a name as `\,`.
_PATHS = re.compile(r"(?<!\\),\s*")


def split_paths(products: list[Product], levels: Sequence[int] | None, notes: Notes) -> None:
    """Splits categories that are paths into category and sub-category, in place.

    Args:
        products: All products of an import.
        levels: Levels of the path, from 1, that are category and sub-category; these split at `/` as well. None splits
            into the first two, if some category is a path and no product has a sub-category.
        notes: Says what was split.
    """
    paths = any(_STEP.search(product.category) for product in products)
    step = _STEP if levels is None else _STEP_OR_SLASH
    if levels is None and (not paths or any(product.subcategory for product in products)):
        names = {product.category for product in products if product.category}
        slashed = [name for name in names if "/" in name.strip("/")]
        if paths:
            notes.say("categories hold paths such as 'A > B'; --category-levels 1 2 splits them")
        elif 2 * len(slashed) > len(names):
            notes.say(f"categories are kept whole, such as {min(slashed)[:60]!r}; --category-levels 1 2 splits at '/'")
        return
    chosen = tuple(levels or DEFAULT_LEVELS)
    parts: dict[str, tuple[str, ...]] = {}
    in_several: set[str] = set()
    several = 0
    for place, product in enumerate(products):
        if product.category not in parts:
            options = _PATHS.split(product.category) if step.search(product.category) else [product.category]
            longest = max(options, key=lambda path: len(step.split(path)))
            parts[product.category] = tuple(name.replace("\\,", ",").strip() for name in step.split(longest))
            if len(options) > 1:
                in_several.add(product.category)
        several += product.category in in_several
        steps = parts[product.category]
        named = [steps[level - 1] if level <= len(steps) else "" for level in chosen]
        if named != [product.category, product.subcategory]:
            changed = dict(zip(LEVELS, named))
            products[place] = replace(product, **changed)
    notes.say(
        f"category paths split: level {chosen[0]} is the category"
        + (f", level {chosen[1]} the sub-category" if len(chosen) > 1 else "")
        + "; --category-levels takes others"
    )
    if several:
        notes.count("products in several categories, the first longest path taken", times=several)


def find_spellings(products: list[Product], merge: bool, notes: Notes) -> None:
    """Reports names of categories that differ in case or space alone, or makes one of them, in place.

    Args:
        products: All products of an import.
        merge: Whether the most frequent spelling replaces the others; of equally frequent ones the first.
        notes: Says what was found or merged.
    """
    for level in LEVELS:
        tally = Counter(getattr(product, level) for product in products)
        del tally[""]
        alike: dict[str, list[str]] = {}
        for name in tally:
            alike.setdefault("".join(name.casefold().split()), []).append(name)
        best = {name: max(names, key=tally.__getitem__) for names in alike.values() if len(names) > 1 for name in names}
        if not best:
            continue
        examples = "; ".join(" / ".join(map(repr, names)) for names in alike.values() if len(names) > 1)[:150]
        if not merge:
            notes.say(f"one {level} in several spellings: {examples}; --merge-labels makes one class of each")
            continue
        for place, product in enumerate(products):
            name = getattr(product, level)
            if best.get(name, name) != name:
                products[place] = replace(product, **{level: best[name]})
        notes.say(f"spellings of one {level} merged: {examples}")
