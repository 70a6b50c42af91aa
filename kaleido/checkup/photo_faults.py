"""Tells which photos are blank, blurred, watermarked, cut or tiny.

What a sound photo looks like differs from shop to shop. The classifier therefore learns from the catalogue itself: from
a sample of its photos as they are, and from the same photos with damages that are known.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from kaleido.checkup.damages import DAMAGES, damaged, watermark
from kaleido.checkup.finding import Finding
from kaleido.checkup.marks import Strokes
from kaleido.checkup.measures import shrink
from kaleido.checkup.scan import Scan, all_measures, in_processes, read_or_problem
from kaleido.checkup.thresholds import Thresholds
from kaleido.errors import UserError
from kaleido.vision.photo import decode

SAMPLE = 1500
"""Photos that are damaged to learn from."""

STROKE_SAMPLE = 1000
"""Photos that marks are learned from."""

FEWEST = 20
"""Photos that a catalogue needs for its faults to be learned."""

_ROUNDS = 4
"""Times that a photo is damaged at most, where there are few."""

_FOLDS = 2
_TREES = 200
_MEDIAN_SHARE = 0.4
"""Part of the catalogue's usual side below which a photo is tiny; sides are those of squares of as many pixels."""

_LARGEST_TINY = 256
"""Photos of this side are never tiny, whatever the others have."""

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
    strokes: Strokes,
    thresholds: Thresholds,
    seed: int,
) -> list[Finding]:
    """Finds unreadable and faulty photos.

    Args:
        listed: Ids of product and photo, by row.
        readers: Functions that read the photos.
        scanned: What is known of the photos.
        strokes: What found their marks.
        thresholds: From which score a finding is reported.
        seed: Seed of the sample and of its damages.
    """
    found = [
        Finding("unreadable_photo", *listed[row], 1.0, f"The photo cannot be read: {problem}")
        for row, problem in scanned.problems.items()
    ]
    rows = scanned.readable
    # Of a square of as many pixels: a narrow photo is no tiny one.
    sides = np.sqrt(scanned.sizes[:, :2].prod(axis=1))
    limit = max(thresholds.tiny, min(_MEDIAN_SHARE * float(np.median(sides[rows])), _LARGEST_TINY))
    tiny = {int(row) for row in rows if sides[row] < limit}
    for row in sorted(tiny):
        width, height = scanned.sizes[row, :2]
        reason = f"The photo has {width} x {height} pixels; no fewer than {limit:.0f} x {limit:.0f} are expected here."
        found.append(Finding("tiny_photo", *listed[row], float(1 - 0.5 * sides[row] / limit), reason))
    if len(rows) < FEWEST:
        return found
    chances = fault_chances(readers, scanned, strokes, seed)
    for column, kind in enumerate(DAMAGES, start=1):
        for row in np.flatnonzero(chances[:, column] >= getattr(thresholds, kind)):
            # One fault a photo: the likeliest.
            if row not in tiny and chances[row, 1:].argmax() == column - 1:
                score = float(chances[row, column])
                found.append(Finding(f"{kind}_photo", *listed[row], score, _REASONS[kind]))
    return found


def learn_strokes(readers: Sequence[Callable[[], Any]], seed: int) -> Strokes:
    """Learns to find marks from some of the photos, with and without marks.

    Args:
        readers: Functions that read the photos.
        seed: Seed of the sample, the marks and the network.
    """
    # Those at the end are not in the sample that the faults are learned from, where there are enough.
    rows = np.random.default_rng(seed).permutation(len(readers))[::-1][:STROKE_SAMPLE]
    rounds = int(np.clip(STROKE_SAMPLE // (2 * len(rows)), 1, _ROUNDS))
    photos = ((int(row), read_or_problem(readers[row])) for row in rows)
    pairs = in_processes(partial(_marked, seed, rounds), photos, len(rows), "sample photos")
    return Strokes(seed).learn([pair for some in pairs for pair in some])


def _marked(seed: int, rounds: int, item: tuple[int, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    row, data = item
    try:
        photo = shrink(decode(data)) if not isinstance(data, str) else None
    except UserError:
        photo = None
    if photo is None:
        return []
    return [(photo, watermark(photo, np.random.default_rng((seed, row, turn)))) for turn in range(rounds)]


def fault_chances(readers: Sequence[Callable[[], Any]], scanned: Scan, strokes: Strokes, seed: int) -> np.ndarray:
    """Computes how likely each photo is sound, and has each fault of `DAMAGES`: [n, 5], 0 for unreadable photos.

    Photos of the sample are judged by a classifier that did not learn from them.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    rows = scanned.readable
    sample = np.sort(np.random.default_rng(seed).permutation(rows)[:SAMPLE])
    rounds = int(np.clip(SAMPLE // (2 * len(sample)), 1, _ROUNDS))
    learned = list(
        in_processes(partial(_lesson, strokes, seed, rounds), _lessons(readers, sample), len(sample), "sample photos")
    )
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


def _lesson(strokes: Strokes, seed: int, rounds: int, item: tuple[int, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Damages a photo in every way, and measures the results; gives the measures and the numbers of the damages."""
    row, data = item
    photo = decode(data)
    measures, kinds = [], []
    for turn in range(rounds):
        for number, kind in enumerate(("", *DAMAGES)):
            random = np.random.default_rng((seed, row, turn, number))
            measures.append(all_measures(damaged(photo, kind, random), strokes))
            kinds.append(number)
    return np.stack(measures), np.array(kinds)


def _lessons(readers: Sequence[Callable[[], Any]], sample: np.ndarray) -> Iterator[tuple[int, Any]]:
    for row in sample:
        yield int(row), readers[row]()
