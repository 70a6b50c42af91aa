import numpy as np
import pytest

from kaleido.alignment.quality import alignment_quality, named_parts
from kaleido.records.pairs import Pairs, no_pairs


def pairs(word, patch):
    return Pairs(np.array(word), np.array(patch), np.ones(len(word), np.float32))


def test_words_name_the_part_that_they_stand_with():
    words = ["red", "blouse", "with", "a", "navy", "collar", ",", "sleeves", "in", "white", "and", "red", "cuffs"]
    parts = [
        ("collar", [["navy"], ["collar"]], (0, 0, 1, 0.2)),
        ("cuff", [["red"], ["cuffs"]], (0, 0.8, 1, 1)),
        ("label", [["red"]], (0, 0, 0.1, 0.1)),
        ("hem", [["scalloped", "hem"]], (0, 0, 1, 1)),
    ]
    found = {(words[named.word], named.word, named.part) for named in named_parts(words, parts)}
    assert found == {
        ("navy", 4, "collar"), ("collar", 5, "collar"), ("red", 11, "cuff"), ("cuffs", 12, "cuff"),
        ("red", 0, "label"), ("red", 11, "label"),
    }  # fmt: skip


def test_figures_by_hand():
    upper = named_parts(["collar"], [("collar", [["collar"]], (0, 0, 1, 1 / 3))])
    lower = named_parts(["hem"], [("hem", [["hem"]], (0, 0.9, 1, 1))])
    # Patch 5 is the first of level 3, patch 13 the last; the hem's box holds no patch by half but level 5's last row.
    found = alignment_quality([(upper, pairs([0, 0], [5, 13])), (lower, no_pairs()), ([], pairs([3], [7]))])
    assert (found.words, found.recall, found.precision) == (2, 0.5, 0.5)
    assert found.possible == 1.0 and found.centre == 0.0
    assert found.random == pytest.approx((3 + 4 + 5 + 5) / 50, abs=0.1)


def test_nothing_to_measure():
    found = alignment_quality([([], no_pairs())])
    assert found.words == 0 and np.isnan(found.recall) and np.isnan(found.precision)
