"""Finds photos that are there twice, also edited: recompressed, resized, mirrored, cropped, lighter or darker.

Candidates are the nearest photos by the low frequencies of their looks, whole and cut to the product, themselves and
mirrored; blocks of rows are compared, so that no table of all pairs is needed. Each candidate is then proven: one photo
is laid over the other, and colours, details and what is left are compared.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kaleido.checkup.finding import Finding
from kaleido.checkup.looks import box_share, signatures, windows
from kaleido.checkup.registration import overlay, square
from kaleido.checkup.scan import Scan, in_processes
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.vision.photo import decode

NEAREST = 3
"""Photos that are candidates for a photo's copy."""

_BLOCK = 256
"""Rows that are compared with all at once."""

_CANDIDATE = 0.85
"""Likeness of low frequencies from which a pair is looked at."""

# A logistic regression on copies and on the most alike photos of different products, 6,000 training products of
# Fashion Product Images (Small): logarithms of 1.003 - colour, 1.01 - detail and residue + 1.
_WEIGHTS = (1.36, -2.90, -5.08)
_OFFSET = 11.67

_OTHER_COLOUR = 45.0
"""Difference of hue that no edit made: 34 at most on 165 copies of training products, 76 and more on variants."""


def duplicate_findings(
    listed: Sequence[tuple[str, str]],
    texts: Sequence[str],
    readers: Sequence[Callable[[], Any]],
    scanned: Scan,
    blank: set[int],
    threshold: float,
) -> list[Finding]:
    """Finds photos of different products that are the same.

    Args:
        listed: Ids of product and photo, by row.
        texts: Text of the product, by row.
        readers: Functions that read the photos.
        scanned: What is known of the photos.
        blank: Rows of blank photos, which are all alike and are no copies.
        threshold: Score from which a finding is reported.
    """
    rows = np.array([row for row in scanned.readable if row not in blank], int)
    pairs = candidate_pairs(scanned.looks[rows])
    pairs = [(int(rows[a]), int(rows[b])) for a, b in pairs if listed[rows[a]][0] != listed[rows[b]][0]]
    chances = in_processes(_prove, _photo_pairs(readers, pairs), len(pairs), "pairs of photos")
    best: dict[int, tuple[float, int]] = {}
    for (one, other), chance in zip(pairs, chances):
        if chance < threshold:
            continue
        copy, first = sorted((one, other), key=lambda row: _order(scanned, row))
        if chance > best.get(copy, (0.0, 0))[0]:
            best[copy] = chance, first
    found = []
    for copy, (chance, first) in best.items():
        same_text = texts[copy].casefold().split() == texts[first].casefold().split()
        kind = "duplicate_product" if same_text and texts[copy].strip() else "duplicate_photo"
        said = "and the same text" if kind == "duplicate_product" else "and another text"
        reason = f"The product has the same photo as {listed[first][0]}, maybe edited, {said}."
        found.append(Finding(kind, *listed[copy], chance, reason, *listed[first]))
    return found


def candidate_pairs(looks: np.ndarray) -> list[tuple[int, int]]:
    """Lists pairs of rows that may show the same.

    Args:
        looks: uint8 [n, 2, SIDE, SIDE, 3].

    Returns:
        Pairs (a, b), a < b, in order: for each row the nearest others, at most `NEAREST`.
    """
    found: set[tuple[int, int]] = set()
    whole, cut = (signatures(looks[:, number]) for number in (0, 1))
    with tqdm(total=len(looks), desc="photos compared", unit="photo", disable=len(looks) < _BLOCK) as bar:
        for start in range(0, len(looks), _BLOCK):
            rows = slice(start, start + _BLOCK)
            near = np.maximum.reduce([look[0][rows] @ side.T for look in (whole, cut) for side in look])
            for window in windows(looks[rows, 0]):
                np.maximum(near, signatures(window)[0] @ whole[0].T, out=near)
            near[np.arange(len(near)), start + np.arange(len(near))] = -1
            found |= {(min(start + row, column), max(start + row, column)) for row, column in _nearest(near)}
            bar.update(len(near))
    return sorted(found)


def _nearest(near: np.ndarray) -> Iterator[tuple[int, int]]:
    """Finds the most alike columns of each row, at most `NEAREST`, among those that are alike at all."""
    for row in range(len(near)):
        columns = np.flatnonzero(near[row] >= _CANDIDATE)
        for column in columns[np.argsort(-near[row, columns], kind="stable")[:NEAREST]]:
            yield row, int(column)


def _order(scanned: Scan, row: int) -> tuple[int, int, int]:
    """Sorts the copy before the original: fewer pixels, then fewer bytes, then later in the catalogue."""
    width, height, size = scanned.sizes[row]
    return int(width * height), int(size), -row


def _photo_pairs(readers: Sequence[Callable[[], Any]], pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[Any, Any]]:
    for one, other in pairs:
        try:
            yield readers[one](), readers[other]()
        except UserError:  # gone since it was measured
            yield None, None


def _prove(pair: tuple[Any, Any]) -> float:
    """Computes how likely two photos are the same."""
    return 0.0 if pair[0] is None else chance_of(*map(decode, pair))


def chance_of(one: np.ndarray, other: np.ndarray) -> float:
    """Computes how likely two photos uint8 [H, W, 3] are the same, edited or not."""
    laid = overlay(square(one), square(other), box_share(one), box_share(other))
    if laid is None or laid.common < 0.5 or laid.colour < 0.7 or laid.detail < 0.5 or laid.tint > _OTHER_COLOUR:
        return 0.0
    measures = np.log([1.003 - laid.colour, 1.01 - laid.detail, laid.residue + 1])
    return float(1 / (1 + np.exp(-(np.dot(_WEIGHTS, measures) + _OFFSET))))
