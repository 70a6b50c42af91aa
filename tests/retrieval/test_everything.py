"""Protocol `full` in blocks against a plain reading of its definition."""

import itertools

import numpy as np
import pytest
from galleries import Shelf, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.errors import UserError
from kaleido.retrieval import everything
from kaleido.retrieval.candidates import full_queries
from kaleido.retrieval.config import DIRECTIONS
from kaleido.retrieval.cosine_scorer import CosineScorer
from kaleido.retrieval.everything import AllScores, best_candidates, rank_all


@st.composite
def galleries(draw):
    """A gallery and integer scores [P, T], few of them distinct, so that ties are common."""
    texts, photos = draw(st.integers(2, 9)), draw(st.integers(2, 14))
    owners = draw(st.lists(st.integers(-1, texts - 1), min_size=photos, max_size=photos))
    owners[0] = max(owners[0], 0)
    levels = draw(st.integers(1, 6))
    scores = np.random.default_rng(draw(st.integers(0, 99))).integers(0, levels, (photos, texts))
    return Shelf(owners, texts), scores.astype(np.float32)


def plainly(gallery, scores, direction, query, positive, count, threshold):
    """The rank, the number of candidates, the hits and the best candidates of a query, one comparison at a time."""
    owners = gallery.text_of_photo
    row = scores[query] if direction == "i2t" else scores[:, query]
    candidates = [c for c in range(len(row)) if direction == "i2t" or owners[c] != query or c == positive]
    rank = 1 + sum(row[c] >= row[positive] for c in candidates if c != positive)
    hits = sum((row[c] > threshold) == (c == positive) for c in candidates) / len(candidates)
    best = sorted(candidates, key=lambda c: (-row[c], c == positive, c))[:count]
    return rank, len(candidates), hits, sorted(best)


@settings(max_examples=150, deadline=None)
@given(galleries(), st.sampled_from(DIRECTIONS), st.integers(1, 12), st.integers(1, 40), st.integers(0, 3))
def test_blocks_rank_as_the_definition_does(drawn, direction, count, block, seed):
    gallery, scores = drawn
    queries, positives = full_queries(gallery, direction, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everything, "_BLOCK_BYTES", 8 * block)
        patch.setattr(everything, "_PAIRS", block)
        found = rank_all(AllScores(Table(scores), gallery), gallery, direction, seed, count, threshold=0.5)
    np.testing.assert_array_equal(found.lists.queries, queries)
    ends = itertools.pairwise(found.lists.offsets)
    for number, (query, positive, (start, end)) in enumerate(zip(queries, positives, ends)):
        rank, candidates, hits, best = plainly(gallery, scores, direction, query, positive, count, 0.5)
        assert (found.ranks[number], found.candidates[number]) == (rank, candidates)
        assert found.hits[number] == pytest.approx(hits)
        assert found.lists.candidates[start:end].tolist() == best
        assert found.lists.labels[start:end].tolist() == [candidate == positive for candidate in best]
        row = scores[query] if direction == "i2t" else scores[:, query]
        np.testing.assert_array_equal(found.scores[start:end], row[best])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(1, 300), st.integers(1, 9), st.integers(1, 50), st.integers(0, 99))
def test_the_best_of_many_candidates(rows, columns, count, levels, seed):
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (rows, columns)).astype(float)
    scores[random.random(scores.shape) < 0.1] = -np.inf
    positives = random.integers(0, columns, rows)
    found = [[] for _ in range(rows)]
    for row, candidate in zip(*best_candidates(scores, positives, count)):
        found[row].append(candidate)
    for row in range(rows):
        candidates = np.flatnonzero(scores[row] > -np.inf)
        best = sorted(candidates, key=lambda c: (-scores[row, c], c == positives[row], c))[:count]
        assert found[row] == sorted(best)


def test_scores_that_are_not_finite_are_refused():
    scores = np.zeros((3, 2), np.float32)
    scores[1, 1] = np.nan
    gallery = Shelf([0, 1, 1], 2)
    with pytest.raises(ValueError, match="not finite"):
        rank_all(AllScores(Table(scores), gallery), gallery, "i2t", 0, 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 300), st.integers(1, 16), st.integers(0, 99))
def test_cosines_depend_on_nothing_but_the_two_embeddings(texts, photos, size, batch, seed):
    random = np.random.default_rng(seed)
    sides = []
    for count in (texts, photos):
        side = random.standard_normal((count, size)).astype(np.float32)
        side[random.integers(count, size=count // 2)] = side[0]
        sides.append(side / np.linalg.norm(side, axis=1, keepdims=True))
    gallery = Shelf(np.arange(photos) % texts, texts)
    scorer = CosineScorer(gallery, lambda items: sides[0][items], lambda items: sides[1][items], batch)
    whole = scorer.matrix("i2t", np.arange(photos))
    np.testing.assert_allclose(whole, sides[1] @ sides[0].T, atol=1e-6)
    for photo in range(photos):
        np.testing.assert_array_equal(scorer.matrix("i2t", np.array([photo]))[0], whole[photo])
    np.testing.assert_array_equal(scorer.matrix("t2i", np.arange(texts)), whole.T)
    pairs = random.integers(0, texts, 50), random.integers(0, photos, 50)
    np.testing.assert_array_equal(scorer.scores(*pairs), whole[pairs[1], pairs[0]].astype(np.float32))
    same = np.flatnonzero((scorer.texts == scorer.texts[0]).all(axis=1))
    assert (whole[:, same] == whole[:, :1]).all()


def test_embeddings_that_are_not_finite_are_refused():
    with pytest.raises(UserError, match="values that are not finite"):
        CosineScorer(Shelf([0, 1], 2), lambda items: np.full((len(items), 3), np.nan, np.float32), len, 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(2, 12), st.sampled_from([1.0, 30.0]), st.integers(0, 99))
def test_a_bank_lowers_what_is_similar_to_everything(texts, photos, banked, scale, seed):
    random = np.random.default_rng(seed)

    def scorer_of(texts, photos):
        sides = [random.standard_normal((count, 6)).astype(np.float32) for count in (texts, photos)]
        sides = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
        gallery = Shelf(np.arange(photos) % texts, texts)
        return CosineScorer(gallery, lambda items: sides[0][items], lambda items: sides[1][items], 4, scale)

    scorer, bank = scorer_of(texts, photos), scorer_of(banked, banked)
    bank.texts = np.concatenate([bank.texts, bank.texts[:1]])  # a text that occurs twice counts once
    cosines = scorer.matrix("i2t", np.arange(photos))
    scorer.normalise(bank)
    of_texts = np.log(np.exp(scale * scorer.texts @ bank.photos.T).sum(axis=1)) / scale
    of_photos = np.log(np.exp(scale * scorer.photos @ bank.texts[:-1].T).sum(axis=1)) / scale
    np.testing.assert_allclose(scorer.matrix("i2t", np.arange(photos)), cosines - of_texts, atol=1e-5)
    np.testing.assert_allclose(scorer.matrix("t2i", np.arange(texts)), cosines.T - of_photos, atol=1e-5)
    # Single pairs are ranked like the matrix, in both directions.
    pairs = np.divmod(np.arange(photos * texts), texts)
    alone = scorer.scores(pairs[1], pairs[0]).reshape(photos, texts)
    for rows, direction in ((alone, "i2t"), (alone.T, "t2i")):
        whole = scorer.matrix(direction, np.arange(len(rows)))
        differences = (rows - whole) - (rows - whole)[:, :1]
        np.testing.assert_allclose(differences, 0, atol=1e-5)
