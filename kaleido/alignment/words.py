"""Words of a text: those that can be aligned, and those that count as the same."""

from itertools import pairwise

import numpy as np

from kaleido.text import Tokenizer

STOP_WORDS = frozenset(
    """
    a an the this that these those it its they them their he she his her we our you your i my
    and or but nor so as if than then both each every either neither all any some no not only very too also just
    of in on at by for from to with without within into onto over under above below between through around along across
    up down off out about after before during until while where when which who whom whose what how why
    is are was were be been being am do does did done has have had having
    can could may might must shall should will would
    here there again more most other another such own same
    come comes featuring feature features designed made make makes pair set one two three
    """.split()  # noqa: SIM905
)
"""English words that name nothing in a photo."""


def words_of(tokenizer: Tokenizer, ids: np.ndarray, word_ids: np.ndarray) -> list[str]:
    """Decodes tokens to words, in lower case.

    Args:
        tokenizer: Tokenizer of the text.
        ids: int [n].
        word_ids: int [n], from 0 on, never decreasing.

    Returns:
        The word of each number up to the greatest; empty where a number has no token.
    """
    if not len(ids):
        return []
    ends = np.searchsorted(word_ids, np.arange(int(word_ids.max()) + 2))
    return [tokenizer.decode(ids[start:end]).strip().casefold() for start, end in pairwise(ends)]


def alignable(word: str) -> bool:
    """Tells whether a word can name something in a photo: it has a letter of any script and is no stop word."""
    return any(sign.isalpha() for sign in word) and word not in STOP_WORDS


def singular(word: str) -> str:
    """Removes the plural's ending; words with the same result count as the same.

    `dresses` and `dress`, `pockets` and `pocket`, `bodies` and `body` are the same.
    """
    word = word.casefold()
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
