"""Finds texts that are empty, equal or boilerplate."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from kaleido.checkup.finding import Finding

_LISTS = json.loads(files("kaleido.checkup").joinpath("words.json").read_text(encoding="utf-8"))

_PLACEHOLDERS = frozenset(_LISTS["placeholders"])
"""Words of texts that stand in for one; a text of these alone is as good as none."""

_STOCK = frozenset(_LISTS["stock"])
"""Words that speak of the shop and the sale, or join others."""

_USUAL = 0.5
"""Share of the products that have a title, or a description, from which a missing one is told."""

_RUN = 4
"""Words in a row that make a phrase."""

_REPEATS = 3
"""Products with a phrase, from which it counts as repeated."""

_SPREAD = 0.5
"""Share of a phrase's products that may be of one kind; what one kind of product shares is no boilerplate."""

_SILENT = 0.05
"""Share of the texts that may tell nothing, up to which this is conspicuous."""

_DOUBT = 2.0
"""Products of the usual kinds that each word is thought to have besides its own."""

_INFORMATIVE = 0.55
"""Information of a word about the kind of the product, 0..1, from which it says what the product is."""


def text_findings(
    ids: Sequence[str],
    fields: Mapping[str, Sequence[str]],
    kinds: Sequence[str],
    photos: Sequence[set[int]],
    threshold: float,
) -> list[Finding]:
    """Finds texts that are empty, equal or boilerplate.

    Args:
        ids: Ids of the products.
        fields: Titles and descriptions of the products by the name of the field.
        kinds: What kind each product is of, such as its category.
        photos: Group of each product's photos; products that share one have the same photo, and may have the same text.
        threshold: Score from which a text is boilerplate.
    """
    whole = [" ".join(filter(None, (values[row].strip() for values in fields.values()))) for row in range(len(ids))]
    found: list[Finding] = []
    settled: set[int] = set()
    for row, text in enumerate(whole):
        if reason := _emptiness(text, ids[row]):
            found.append(Finding("empty_text", ids[row], "", 1.0 if not text.strip() else 0.95, reason))
            settled.add(row)
    for name, values in fields.items():
        filled = sum(bool(value.strip()) for value in values) / len(values)
        for row, value in enumerate(values):
            if not value.strip() and filled >= _USUAL and row not in settled:
                reason = f"The product has no {name}, and {filled:.0%} of the products have one."
                found.append(Finding("empty_text", ids[row], "", filled, reason))
    for name, values in fields.items():
        for row, (score, reason) in _boilerplate(values, kinds, name, settled).items():
            if score >= threshold and row not in settled:
                found.append(Finding("boilerplate_text", ids[row], "", score, reason))
                settled.add(row)
    groups: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(whole):
        if row not in settled:
            groups[" ".join(_words(text))].append(row)
    for rows in groups.values():
        different = {row for row in rows if not any(photos[row] & photos[one] for one in rows if one != row)}
        if len(rows) < 2 or not different:
            continue
        score = 1 - 0.5 / len(rows)
        for row in sorted(different):
            other = next(one for one in rows if one != row)
            count = f"{len(rows) - 1:,} other product{'s have' if len(rows) > 2 else ' has'}"
            reason = f"{count} the same text and another photo: {_short(whole[row])}"
            found.append(Finding("equal_text", ids[row], "", score, reason, ids[other]))
    return found


def _emptiness(text: str, product: str) -> str:
    """Says why a text is as good as none; empty if it is not."""
    if not text.strip():
        return "The product has no text."
    words = _words(text)
    if not any(len(word) > 1 and word.isalpha() for word in words):
        return f"The text has no word: {_short(text)}"
    if text.strip().casefold() == product.casefold():
        return f"The text is the product's id: {_short(text)}"
    if all(word in _PLACEHOLDERS or word.isdigit() for word in words):
        return f"The text is a placeholder: {_short(text)}"
    return ""


def _boilerplate(
    texts: Sequence[str], kinds: Sequence[str], name: str, settled: set[int]
) -> dict[int, tuple[float, str]]:
    """Scores texts of stock words and repeated phrases, none of whose words tells the product's kind."""
    words = [[] if row in settled else _words(text) for row, text in enumerate(texts)]
    information = _information(words, kinds)
    owners: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row, one in enumerate(words):
        for phrase in {tuple(one[i : i + _RUN]) for i in range(len(one) - _RUN + 1)}:
            owners[phrase][kinds[row]] += 1
    repeated = {
        phrase
        for phrase, counts in owners.items()
        if (total := sum(counts.values())) >= _REPEATS and max(counts.values()) <= max(1, _SPREAD * total)
    }
    telling = [[word for word in one if information.get(word, 0.0) >= _INFORMATIVE] for one in words]
    filled = sum(map(bool, words))
    # Where nearly every text tells what the product is, one that does not is conspicuous whatever its words.
    usual = sum(bool(one) and not some for one, some in zip(words, telling)) <= _SILENT * filled
    found = {}
    for row, (one, some) in enumerate(zip(words, telling)):
        if not one:
            continue
        covered = np.array([word in _STOCK or word in _PLACEHOLDERS for word in one])
        for i in range(len(one) - _RUN + 1):
            if tuple(one[i : i + _RUN]) in repeated:
                covered[i : i + _RUN] = True
        share = float(covered.mean())
        said = f"no word of the {name} tells what the product is"
        if some:
            score = share * max(0.0, 1 - 2.5 * len(some) / len(one))
            said = f"only {', '.join(some[:3])} tells what the product is"
        else:
            score = 0.45 + 0.55 * share if usual else share
        if share:
            said += f", and {share:.0%} of it are stock words, or phrases of other kinds of products"
        found[row] = score, f"{said[0].upper()}{said[1:]}: {_short(texts[row])}"
    return found


def _information(words: Sequence[Sequence[str]], kinds: Sequence[str]) -> dict[str, float]:
    """Computes what share of the doubt about its most frequent kind each word takes away, at most 1.

    Rare words are drawn towards the kinds of all products, so that one or two occurrences tell little.
    """
    names, of = np.unique(list(kinds), return_inverse=True)
    prior = np.bincount(of, minlength=len(names)) / len(of)
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for row, one in enumerate(words):
        for word in set(one):
            counts[word][int(of[row])] += 1
    found = {}
    for word, by_kind in counts.items():
        kind, count = by_kind.most_common(1)[0]
        chance = (count + _DOUBT * prior[kind]) / (by_kind.total() + _DOUBT)
        found[word] = float((chance - prior[kind]) / max(1 - prior[kind], 1e-6))
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’/][^\W_]+)*", text.casefold())


def _short(text: str, length: int = 80) -> str:
    text = " ".join(text.split())
    return f"“{text if len(text) <= length else text[: length - 1] + '…'}”"
