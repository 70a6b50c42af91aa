import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaleido.alignment.config import AlignConfig
from kaleido.alignment.rule import heat_of_words, hottest_patches, overlaps, pairs_of, patch_boxes, raw_words, regions
from kaleido.alignment.words import alignable, singular, words_of
from kaleido.errors import UserError
from kaleido.text import SentencePieceTokenizer
from kaleido.vision.patches import cells

heats = st.lists(st.floats(0, 1, width=32), min_size=196, max_size=196)


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("pocket", "Pockets", True),
        ("dress", "dresses", True),
        ("body", "bodies", True),
        ("boxes", "box", True),
        ("v-neck", "neck", False),
        ("dress", "dresser", False),
        ("jean", "jeans", True),
        ("glass", "glas", False),
        ("连衣裙", "连衣裙", True),
        ("shirt", "t-shirt", False),
    ],
)
def test_same_words(one, other, same):
    assert (singular(one) == singular(other)) is same


@pytest.mark.parametrize(
    "word, may", [("the", False), (",", False), ("3", False), ("", False), ("袖", True), ("v", True)]
)
def test_which_words_may_be_aligned(word, may):
    assert alignable(word) is may


def test_words_of_pieces():
    tokenizer = SentencePieceTokenizer.train((f"a red blouse with {i} buttons" for i in range(50)), 60)
    for text in ("a red blouse with buttons", "blouse", "Red BLOUSE", " ".join(["red"] * 300), ""):
        encoding = tokenizer.encode(text)
        words = words_of(tokenizer, encoding.ids, encoding.word_ids)
        assert len(words) == (encoding.word_ids.max() + 1 if len(encoding.ids) else 0)
        assert "".join(words) == text.lower().replace(" ", "")


def test_patches_are_those_of_vision():
    np.testing.assert_allclose(patch_boxes() * 60, cells((0, 0, 60, 60))[5:])


@pytest.mark.parametrize("side", [7, 14, 5])
def test_overlaps_are_shares_of_patches(side):
    shares = overlaps(side)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    areas = (patch_boxes()[:, 2] - patch_boxes()[:, 0]) ** 2
    # Each level tiles the map.
    np.testing.assert_allclose((shares * areas[:, None])[9:25].sum(axis=0), 1 / side**2)


@given(heats, st.floats(0.05, 1))
def test_a_region_is_the_least_with_the_share(heat, share):
    heat = np.array(heat, np.float64)[None]
    region = regions(heat, share)[0]
    inside, outside = heat[0][region], heat[0][~region]
    total = heat.sum()
    if total == 0:
        return
    assert inside.sum() >= share * total - 1e-9
    assert inside.sum() - inside.min() < share * total + 1e-9
    assert not outside.size or inside.min() >= outside.max()


def test_a_hot_spot_takes_the_patch_around_it():
    heat = np.full((1, 14, 14), 1e-4)
    heat[0, 0:3, 0:3] = 1  # of 14: within the first patch of level 5
    patches = hottest_patches(heat.reshape(1, -1), AlignConfig(patches_per_word=3))
    assert patches[0][0] == 30 and len(patches[0]) <= 3


@given(st.integers(1, 5), heats)
def test_never_more_patches_than_allowed(most, heat):
    patches = hottest_patches(np.array([heat]), AlignConfig(patches_per_word=most))[0]
    assert len(patches) == len(set(patches)) <= most and all(5 <= patch < 55 for patch in patches)


def test_only_words_that_both_say_and_that_are_sure():
    words = ["red", "blouse", "with", "two", "pockets", "and", "a", "collar"]
    said = ["a", "blouse", "with", "pocket"]
    raw, place = raw_words(words, said)
    assert [words[i] for i in raw] == ["blouse", "pockets"] and [said[i] for i in place] == ["blouse", "pocket"]
    heat = np.zeros((4, 196))
    heat[:, :30] = 1
    found = pairs_of(words, said, heat, np.array([0.9, 0.2, 0.9, 0.7]), 0.5, AlignConfig())
    assert set(found.word) == {4} and (found.score == np.float32(0.7)).all()
    assert found.word.dtype == found.patch.dtype == np.int32 and found.score.dtype == np.float32
    assert not len(pairs_of([], said, heat, np.ones(4), 0.0, AlignConfig()).word)


def test_heat_of_words_is_the_mean_of_their_pieces():
    heat = np.array([[1.0, 0], [0, 1], [1, 1]])
    np.testing.assert_allclose(heat_of_words(heat, np.array([0, 0, 2]), 3), [[0.5, 0.5], [0, 0], [1, 1]])


def test_bad_configurations():
    with pytest.raises(UserError, match=r"align_config.region_share must be in"):
        AlignConfig(region_share=1.5)
    with pytest.raises(UserError, match=r"align_config.patches_per_word"):
        AlignConfig(patches_per_word=0)
