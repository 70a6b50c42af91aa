"""Candidates of other products with the query's text or photo."""

from types import SimpleNamespace

import numpy as np
import pytest
from galleries import Table
from hypothesis import given
from hypothesis import strategies as st

from kaleido.retrieval.candidates import CandidateLists
from kaleido.retrieval.everything import AllScores, rank_all
from kaleido.retrieval.gallery import Gallery
from kaleido.retrieval.twins import TwinProducts


class FewPhotos(Gallery):
    """Texts and photos that are given by their contents."""

    def __init__(self, texts, photos, owners):
        records = SimpleNamespace(directory="records", split="test")
        tokens = [np.array([1, text, 2], np.int32) for text in texts]
        ids = [f"t{n}" for n in range(len(texts))], [f"p{n}" for n in range(len(photos))]
        super().__init__(records, *ids, np.array(owners), tokens, False)
        self.contents = np.array(photos, np.float32)

    def photos(self, items):
        found = self.contents[items][:, None, None]
        return {"level1": found, "level5": found, "positions": found}


# Products 0 and 1 have one text, 2 and 3 one photo; 4 is alone and has two photos.
GALLERY = FewPhotos([7, 7, 8, 9, 10], [0, 1, 2, 2, 4, 5], [0, 1, 2, 3, 4, 4])


def test_products_of_one_text_or_photo_are_twins():
    twins = TwinProducts.find(GALLERY, "right")
    assert dict(twins.counts) == {"text": 2, "photo": 2}
    assert (
        len(set(twins.classes)) == 3 and twins.classes[0] == twins.classes[1] and twins.classes[2] == twins.classes[3]
    )
    assert twins.of_photos.tolist() == twins.classes[GALLERY.text_of_photo].tolist()
    assert len(set(TwinProducts.find(GALLERY, "wrong").classes)) == 5


GALLERIES = st.integers(2, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, 4)), max_size=5),
        st.lists(st.integers(0, 9), min_size=n, max_size=n),
        st.integers(0, 99),
    )
)


@given(
    drawn=GALLERIES, direction=st.sampled_from(["i2t", "t2i"]), mode=st.sampled_from(["leave_out", "right", "wrong"])
)
def test_ranks_agree_with_their_definition(drawn, direction, mode):
    texts, more, photos, seed = drawn
    owners = [*range(len(texts)), *(owner for owner, _ in more)]
    gallery = FewPhotos(texts, [*photos, *(photo for _, photo in more)], owners)
    scores = np.random.default_rng(seed).integers(0, 6, (len(owners), len(texts))).astype(np.float32)
    twins = TwinProducts.find(gallery, mode)
    found = rank_all(AllScores(Table(scores), gallery), gallery, direction, 0, 3, 2.5, twins)
    positives = rank_all(AllScores(Table(scores), gallery), gallery, direction, 0, len(owners), 2.5)
    for number, query in enumerate(found.lists.queries):
        span = slice(positives.lists.offsets[number], positives.lists.offsets[number + 1])
        positive = positives.lists.candidates[span][positives.lists.labels[span]][0]
        product = query if direction == "t2i" else gallery.text_of_photo[query]
        of_candidate = gallery.text_of_photo if direction == "t2i" else np.arange(len(texts))
        row = scores[:, query] if direction == "t2i" else scores[query]
        alike = twins.classes[of_candidate] == twins.classes[product]
        own = row[positive]
        if mode == "right":
            own = max(own, row[alike & (of_candidate != product)].max(initial=-np.inf))
        others = row[~alike] if mode != "wrong" else row[of_candidate != product]
        assert found.ranks[number] == 1 + (others >= own).sum()
        assert found.candidates[number] == 1 + len(others)


@pytest.mark.parametrize(
    ("mode", "expected"), [("leave_out", [0.5, 0.1]), ("right", [0.9, 0.1]), ("wrong", [0.5, 0.9, 0.1])]
)
def test_candidate_lists(mode, expected):
    lists = CandidateLists(
        "i2t", np.zeros(2, int), np.array([0, 4]), np.array([0, 1, 4, 4, 0]), np.array([1, 0, 0, 1, 0], bool),
        np.array([0, 3, 5]), {},
    )  # fmt: skip
    scores = np.array([0.5, 0.9, 0.1, 0.3, 0.2], np.float32)
    kept, found = TwinProducts.find(GALLERY, mode).resolved(lists, scores)
    np.testing.assert_allclose(found, [*expected, 0.3, 0.2])
    assert kept.offsets.tolist() == [0, len(expected), len(expected) + 2]
    assert kept.labels.sum() == 2 and len(kept.candidates) == len(found)
