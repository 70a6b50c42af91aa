"""The quality of pre-aligned pairs, measured where the places of parts are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaleido.alignment.rule import FIRST_PATCH, patch_boxes
from kaleido.alignment.words import alignable
from kaleido.records.pairs import Pairs

CENTRE = (4, 9 + 16 + 12)
"""The middle patches of levels 3 and 5, counted from level 3 on."""

NEAR = 2
"""Largest distance of two words of a part that both name it."""


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A word that names a part of the product.

    Attributes:
        word: Number of the word in the text.
        overlap: float64 [50], share of each patch from level 3 on that lies in the part's box.
        part: Name of the part.
    """

    word: int
    overlap: np.ndarray
    part: str


@dataclass(frozen=True, slots=True)
class AlignmentQuality:
    """Metrics over the words that name parts; shares in 0..1.

    Attributes:
        words: Number of words that name a part.
        recall: Share of them that are aligned.
        precision: Share of the pairs of these words whose patch lies in the part's box by half at least.
        centre: Precision of the middle patches of levels 3 and 5 for the same words.
        random: Precision of random patches.
        possible: Share of the words for which at least one patch is right.
    """

    words: int
    recall: float
    precision: float
    centre: float
    random: float
    possible: float


def named_parts(
    words: Sequence[str], parts: Sequence[tuple[str, Sequence[Sequence[str]], tuple[float, ...]]]
) -> list[NamedPart]:
    """Finds the words of a text that name parts.

    A word names a part if it is one of the part's words and, where the text has several of them, stands near another
    one: in "red blouse with a navy collar and red cuffs", each "red" names what follows it.

    Args:
        words: Words of the text, lower case.
        parts: Name, words (each as the tokenizer cuts it) and box of each part, in 0..1 of the product's box.
    """
    patches = patch_boxes()
    found: dict[tuple[int, str], NamedPart] = {}
    for name, phrases, box in parts:
        x1, y1, x2, y2 = box
        across = np.clip(np.minimum(patches[:, 2], x2) - np.maximum(patches[:, 0], x1), 0, None)
        down = np.clip(np.minimum(patches[:, 3], y2) - np.maximum(patches[:, 1], y1), 0, None)
        overlap = across * down / ((patches[:, 2] - patches[:, 0]) * (patches[:, 3] - patches[:, 1]))
        runs = [
            (start, start + len(phrase), number)
            for number, phrase in enumerate(phrases)
            if phrase
            for start in range(len(words) - len(phrase) + 1)
            if list(words[start : start + len(phrase)]) == list(phrase)
        ]
        for start, end, number in runs:
            others = [(low, high) for low, high, other in runs if other != number]
            if others and not any(low - end <= NEAR - 1 and start - high <= NEAR - 1 for low, high in others):
                continue
            for word in range(start, end):
                if alignable(words[word]):
                    before = found.get((word, name))
                    best = overlap if before is None else np.maximum(overlap, before.overlap)
                    found[word, name] = NamedPart(word, best, name)
    return list(found.values())


def alignment_quality(photos: Sequence[tuple[Sequence[NamedPart], Pairs]]) -> AlignmentQuality:
    """Measures photos, each given by the parts that its text names and its pairs."""
    aligned, hits, centre, chance, possible, words = 0, [], [], [], [], 0
    for named, pairs in photos:
        for part in named:
            inside = part.overlap >= 0.5
            patches = pairs.patch[pairs.word == part.word] - FIRST_PATCH
            words += 1
            aligned += bool(len(patches))
            possible.append(inside.any())
            hits += inside[patches].tolist()
            centre += [inside[list(CENTRE)].mean()] * len(patches)
            chance += [inside.mean()] * len(patches)

    def mean(values: list) -> float:
        return float(np.mean(values)) if values else float("nan")

    recall = aligned / words if words else float("nan")
    return AlignmentQuality(words, recall, mean(hits), mean(centre), mean(chance), mean(possible))
