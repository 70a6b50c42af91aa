"""Tells which photos are blank, blurred, watermarked, cut or tiny.

What a sound photo looks like differs from shop to shop. The classifier therefore learns from the catalogue itself: from
a sample of its photos as they are, and from the same photos with damages that are known.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kaleido.checkup.damages import DAMAGES, damaged
from kaleido.checkup.finding import Finding
from kaleido.checkup.measures import measure
from kaleido.checkup.scan import Scan, in_processes
from kaleido.checkup.thresholds import Thresholds
from kaleido.vision.photo import decode

SAMPLE = 1500
"""Photos that are damaged to learn from."""

_ROUNDS = 8
"""Times that a photo is damaged at most, where there are few."""

_FOLDS = 2
_TREES = 200
_MEDIAN_SHARE = 0.4
"""Part of the catalogue's usual side below which a photo is tiny."""

_LARGEST_TINY = 256
"""Photos with this shorter side are never tiny, whatever the others have."""

_REASONS = {
    "blank": "The photo shows next to nothing: it has one colour throughout.",
    "blurred": "The photo is blurred: its edges are softer than those of the catalogue's other photos.",
    "watermarked": "Letters or signs seem to lie over the photo or its background.",
    "cut": "The product or the file seems to be cut off: a side of the photo ends in the middle of it.",
}


def photo_findings(
    listed: Sequence[tuple[str, str]],
    readers: Sequence[Callable[[], Any]],
    scanned: Scan,
    thresholds: Thresholds,
    seed: int,
) -> list[Finding]:
    """Finds unreadable and faulty photos.

    Args:
        listed: Ids of product and photo, by row.
        readers: Functions that read the photos.
        scanned: What is known of the photos.
        thresholds: From which score a finding is reported.
        seed: Seed of the sample and of its damages.
    """
    found = [
        Finding("unreadable_photo", *listed[row], 1.0, f"The photo cannot be read: {problem}")
        for row, problem in scanned.problems.items()
    ]
    rows = scanned.readable
    sides = scanned.sizes[:, :2].min(axis=1)
    limit = max(thresholds.tiny, min(_MEDIAN_SHARE * float(np.median(sides[rows])), _LARGEST_TINY))
    tiny = {int(row) for row in rows if sides[row] < limit}
    for row in sorted(tiny):
        width, height = scanned.sizes[row, :2]
        reason = f"The photo has {width} x {height} pixels, and at least {limit:.0f} a side are expected here."
        found.append(Finding("tiny_photo", *listed[row], float(1 - 0.5 * sides[row] / limit), reason))
    chances = fault_chances(readers, scanned, seed)
    for column, kind in enumerate(DAMAGES, start=1):
        for row in np.flatnonzero(chances[:, column] >= getattr(thresholds, kind)):
            # One fault a photo: the likeliest.
            if row not in tiny and chances[row, 1:].argmax() == column - 1:
                score = float(chances[row, column])
                found.append(Finding(f"{kind}_photo", *listed[row], score, _REASONS[kind]))
    return found


def fault_chances(readers: Sequence[Callable[[], Any]], scanned: Scan, seed: int) -> np.ndarray:
    """Computes how likely each photo is sound, and has each fault of `DAMAGES`: [n, 5], 0 for unreadable photos.

    Photos of the sample are judged by a classifier that did not learn from them.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    rows = scanned.readable
    sample = np.sort(np.random.default_rng(seed).permutation(rows)[:SAMPLE])
    rounds = int(np.clip(SAMPLE // (2 * len(sample)), 1, _ROUNDS))
    learned = list(in_processes(_Lesson(seed, rounds), _lessons(readers, sample), len(sample), "sample photos"))
    chances = np.zeros((len(scanned.sizes), len(DAMAGES) + 1))
    fold = np.full(len(scanned.sizes), -1)
    fold[sample] = np.arange(len(sample)) % min(_FOLDS, len(sample))
    for number in range(_FOLDS):
        places = [place for place, row in enumerate(sample) if fold[row] != number]
        if not places:
            continue
        sound = scanned.measures[sample[places]]
        damages = np.concatenate([learned[place][0] for place in places])
        kinds = np.concatenate([learned[place][1] for place in places])
        forest = ExtraTreesClassifier(
            _TREES, min_samples_leaf=2, max_features=40, class_weight="balanced", random_state=seed
        )
        forest.fit(np.concatenate([sound, damages]), np.concatenate([np.zeros(len(sound), int), kinds]))
        judged = rows[(fold[rows] == number) | (fold[rows] < 0)]
        answers = forest.predict_proba(scanned.measures[judged])
        share = np.where(fold[judged] < 0, 1 / _FOLDS, 1.0)[:, None]
        chances[np.ix_(judged, forest.classes_)] += answers * share
    return chances


class _Lesson:
    """Damages a photo in every way, and measures the results; can be sent to another process."""

    def __init__(self, seed: int, rounds: int):
        self.seed = seed
        self.rounds = rounds

    def __call__(self, item: tuple[int, Any]) -> tuple[np.ndarray, np.ndarray]:
        row, data = item
        photo = decode(data)
        measures, kinds = [], []
        for turn in range(self.rounds):
            for number, kind in enumerate(("", *DAMAGES)):
                random = np.random.default_rng((self.seed, row, turn, number))
                measures.append(measure(damaged(photo, kind, random)))
                kinds.append(number)
        return np.stack(measures), np.array(kinds)


def _lessons(readers: Sequence[Callable[[], Any]], sample: np.ndarray) -> Iterator[tuple[int, Any]]:
    for row in sample:
        yield int(row), readers[row]()
