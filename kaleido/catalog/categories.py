"""Names of classes: paths such as `Clothing > Dresses` are split, and variants in case or space are found."""

import re
from collections import Counter
from collections.abc import Sequence

from kaleido.catalog.notes import Notes

LEVELS = ("category", "subcategory")

DEFAULT_LEVELS = (1, 2)

_STEP, _STEP_OR_SLASH = re.compile(r"\s*(?:>+|»|›|→)\s*"), re.compile(r"\s*(?:>+|»|›|→|/)\s*")
# WooCommerce lists the paths of a product with commas and writes a comma within a name as `\,`.
_PATHS = re.compile(r"(?<!\\),\s*")


Labels = tuple[str, str]
"""Category and sub-category of a product."""


def name_classes(
    labels: Counter[Labels], levels: Sequence[int] | None, merge: bool, notes: Notes
) -> dict[Labels, Labels]:
    """Finds the levels and spellings of categories.

    Args:
        labels: Number of products by their labels, in the products' order.
        levels: Levels of the path, from 1, that are category and sub-category; these split at `/` as well. None splits
            into the first two, if some category is a path and no product has a sub-category.
        merge: Whether the most frequent spelling replaces those that differ in case or space alone; of equally frequent
            ones the first.
        notes: Says what was split, found or merged.

    Returns:
        New labels by old ones, of those that change.
    """
    new = {old: old for old in labels}
    _split_paths(new, labels, levels, notes)
    _find_spellings(new, labels, merge, notes)
    return {old: names for old, names in new.items() if old != names}


def _split_paths(
    new: dict[Labels, Labels], labels: Counter[Labels], levels: Sequence[int] | None, notes: Notes
) -> None:
    names = {category for category, _ in labels if category}
    paths = any(_STEP.search(name) for name in names)
    step = _STEP if levels is None else _STEP_OR_SLASH
    if levels is None and (not paths or any(subcategory for _, subcategory in labels)):
        slashed = [name for name in names if "/" in name.strip("/")]
        if paths:
            notes.say("categories hold paths such as 'A > B'; --category-levels 1 2 splits them")
        elif 2 * len(slashed) > len(names):
            notes.say(f"categories are kept whole, such as {min(slashed)[:60]!r}; --category-levels 1 2 splits at '/'")
        return
    chosen = tuple(levels or DEFAULT_LEVELS)
    several = 0
    for old, products in labels.items():
        options = _PATHS.split(old[0]) if step.search(old[0]) else [old[0]]
        longest = max(options, key=lambda path: len(step.split(path)))
        steps = [name.replace("\\,", ",").strip() for name in step.split(longest)]
        named = [steps[level - 1] if level <= len(steps) else "" for level in chosen]
        new[old] = named[0], named[1] if len(named) > 1 else old[1]
        several += products * (len(options) > 1)
    notes.say(
        f"category paths split: level {chosen[0]} is the category"
        + (f", level {chosen[1]} the sub-category" if len(chosen) > 1 else "")
        + "; --category-levels takes others"
    )
    if several:
        notes.count("products in several categories, the first longest path taken", times=several)


def _find_spellings(new: dict[Labels, Labels], labels: Counter[Labels], merge: bool, notes: Notes) -> None:
    for place, level in enumerate(LEVELS):
        tally: Counter[str] = Counter()
        for old, names in new.items():
            tally[names[place]] += labels[old]
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
        for old, (category, subcategory) in new.items():
            if place == 0:
                new[old] = best.get(category, category), subcategory
            else:
                new[old] = category, best.get(subcategory, subcategory)
        notes.say(f"spellings of one {level} merged: {examples}")
