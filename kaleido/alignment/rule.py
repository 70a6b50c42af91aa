"""The rule that turns heat-maps into pre-aligned pairs (AAG, paper section 3.2)."""

import numpy as np

from kaleido.alignment.config import AlignConfig
from kaleido.alignment.words import alignable, singular
from kaleido.constants import LEVEL_SLICES, PATCHES
from kaleido.records.pairs import Pairs, no_pairs
from kaleido.vision.patches import Grid, places

ALIGNED_LEVELS = (3, 4, 5)
FIRST_PATCH = LEVEL_SLICES[ALIGNED_LEVELS[0] - 1].start


def patch_boxes(grid: Grid = "kaleido") -> np.ndarray:
    """Gives boxes of patches of levels 3 to 5: float64 [50, 4], [x1, y1, x2, y2] in 0..1 of the product's box."""
    boxes = [
        (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
        for row, column, rows, columns in places(grid)[FIRST_PATCH:]
    ]
    assert len(boxes) == PATCHES - FIRST_PATCH
    return np.array(boxes)


def overlaps(side: int, grid: Grid = "kaleido") -> np.ndarray:
    """Computes the share of each patch in each cell of a map: float64 [50, side * side], rows adding up to 1."""
    boxes, edges = patch_boxes(grid), np.arange(side + 1) / side

    def along(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        shared = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
        return np.clip(shared, 0, None) / (high - low)[:, None]

    across, down = along(boxes[:, 0], boxes[:, 2]), along(boxes[:, 1], boxes[:, 3])
    return (down[:, :, None] * across[:, None, :]).reshape(len(boxes), -1)


def regions(heat: np.ndarray, share: float) -> np.ndarray:
    """Finds the smallest set of cells that holds a share of each word's heat [W, L]: bool [W, L]."""
    order = np.argsort(-heat, axis=1, kind="stable")
    mass = np.cumsum(np.take_along_axis(heat, order, 1), axis=1)
    # A cell belongs to the region if what is hotter than it has not enough mass yet.
    before = np.pad(mass[:, :-1], ((0, 0), (1, 0)))
    found = np.zeros(heat.shape, bool)
    np.put_along_axis(found, order, before < share * mass[:, -1:], axis=1)
    return found


def hottest_patches(heat: np.ndarray, config: AlignConfig, grid: Grid = "kaleido") -> list[np.ndarray]:
    """Chooses the patches of each word among the 55, the hottest first.

    A patch is taken where the word's region covers `min_cover` of it; the hottest is the one with the greatest product
    of that cover and its mean heat.

    Args:
        heat: float [W, L], heat of W words on a square map, 0 off the product.
        config: Configuration of region, cover and count.
        grid: Grid that cut the products.
    """
    overlap = overlaps(round(heat.shape[1] ** 0.5), grid)
    cover = regions(heat, config.region_share) @ overlap.T
    hotness = cover * (heat @ overlap.T)
    order = np.argsort(-hotness, axis=1, kind="stable")[:, : config.patches_per_word]
    return [FIRST_PATCH + chosen[cover[word, chosen] >= config.min_cover] for word, chosen in enumerate(order)]


def heat_of_words(heat: np.ndarray, word_ids: np.ndarray, count: int) -> np.ndarray:
    """Averages the heat of each word's tokens [n, L]: float64 [count, L], 0 for words without tokens."""
    of_words = np.zeros((count, heat.shape[1]))
    np.add.at(of_words, word_ids, heat)
    return of_words / np.maximum(np.bincount(word_ids, minlength=count), 1)[:, None]


def raw_words(words: list[str], caption: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Finds the raw words that a caption has too.

    Args:
        words: Words of the raw text.
        caption: Words of the caption.

    Returns:
        int [k] twice: numbers of raw words that can be aligned, and for each the first word of the caption that is
        the same.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(caption):
        places.setdefault(singular(word), place)
    matches = [
        (n, places[singular(word)]) for n, word in enumerate(words) if alignable(word) and singular(word) in places
    ]
    return tuple(np.array(matches, np.int64).reshape(-1, 2).T)


def pairs_of(
    words: list[str],
    caption: list[str],
    heat: np.ndarray,
    confidence: np.ndarray,
    threshold: float,
    config: AlignConfig,
    grid: Grid = "kaleido",
) -> Pairs:
    """Makes the pairs of one text and one photo.

    Args:
        words: Words of the raw text.
        caption: Words of the caption, or of the raw text again.
        heat: float [len(caption), L].
        confidence: float [len(caption)], 0..1.
        threshold: Confidence below which words are not aligned.
        config: Configuration of the rule.
        grid: Grid that cut the products.
    """
    raw, place = raw_words(words, caption)
    sure = confidence[place] >= threshold
    raw, place = raw[sure], place[sure]
    if not len(raw):
        return no_pairs()
    patches = hottest_patches(heat[place], config, grid)
    counts = [len(of_word) for of_word in patches]
    return Pairs(
        np.repeat(raw, counts).astype(np.int32),
        np.concatenate(patches).astype(np.int32),
        np.repeat(confidence[place], counts).astype(np.float32),
    )
