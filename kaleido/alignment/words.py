"""Which words can be aligned, and which count as the same."""

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
    """The words that pieces spell, in lower case.

    Args:
        tokenizer: Whose pieces these are.
        ids: int [n].
        word_ids: int [n], from 0 on, never decreasing.

    Returns:
        The word of each number up to the greatest; empty where a number has no piece.
    """
    if not len(ids):
        return []
    ends = np.searchsorted(word_ids, np.arange(int(word_ids.max()) + 2))
    return [tokenizer.decode(ids[start:end]).strip().casefold() for start, end in pairwise(ends)]


def alignable(word: str) -> bool:
    """Whether a word may name something in a photo: it has a letter of any script and is no stop word."""
    return any(sign.isalpha() for sign in word) and word not in STOP_WORDS


def singular(word: str) -> str:
    """What two words must share to be the same: the word without the plural's ending.

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


def same_word(one: str, other: str) -> bool:
    """Whether two whole words are the same but for case and a simple plural."""
    return singular(one) == singular(other)
