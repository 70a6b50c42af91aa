"""Ranking against a plain reading of its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from kaleido.retrieval import ranks as ranks_module
from kaleido.retrieval.ranks import Resampling, ScoredLists, area, mean_value, rank_metrics, sum_recall

# Few distinct scores, so that ties are common.
LISTS = st.lists(
    st.lists(st.integers(-3, 3), min_size=1, max_size=12).flatmap(
        lambda scores: st.tuples(st.just(scores), st.integers(0, len(scores) - 1))
    ),
    min_size=1,
    max_size=15,
)


def flat(lists, groups=None) -> ScoredLists:
    scores = np.concatenate([np.array(scores, float) for scores, _ in lists])
    labels = np.concatenate([np.arange(len(scores)) == place for scores, place in lists])
    offsets = np.cumsum([0] + [len(scores) for scores, _ in lists])
    return ScoredLists(scores, labels, offsets, np.arange(len(lists)) if groups is None else np.array(groups))


@given(LISTS)
def test_ranks_and_figures_by_plain_python(lists):
    found = flat(lists)
    ranks = []
    for scores, place in lists:
        # Worst first among equals: the positive comes after every negative that scores the same.
        order = sorted(range(len(scores)), key=lambda at: (-scores[at], at == place))
        ranks.append(order.index(place) + 1)
    np.testing.assert_array_equal(found.ranks(), ranks)
    resampling = Resampling(found.groups, 20)
    metrics = rank_metrics(found.ranks(), found.groups, resampling)
    for k in (1, 5, 10):
        assert metrics[f"R@{k}"].value == pytest.approx(sum(rank <= k for rank in ranks) / len(ranks))
    assert metrics["mean_rank"].value == pytest.approx(sum(ranks) / len(ranks))
    shares = [
        sum((score > 0.5) == (at == place) for at, score in enumerate(scores)) / len(scores) for scores, place in lists
    ]
    right = mean_value(found.hits(0.5), found.groups, resampling)
    assert right.value == pytest.approx(sum(shares) / len(shares))
    if not found.labels.all():
        positives = [scores[place] for scores, place in lists]
        negatives = [score for scores, place in lists for at, score in enumerate(scores) if at != place]
        wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
        assert area(found, resampling).value == pytest.approx(wins / len(positives) / len(negatives))


def test_everything_is_found_among_all_candidates():
    random = np.random.default_rng(0)
    found = flat([(random.integers(0, 9, 101).tolist(), int(place)) for place in random.integers(0, 101, 30)])
    assert found.ranks().max() <= 101


def test_ties_are_broken_against_the_model():
    assert flat([([0.0] * 101, 3)]).ranks().tolist() == [101]


@given(LISTS, st.integers(0, 5))
def test_resampled_figures_by_repeating_queries(lists, seed):
    groups = [at // 2 for at in range(len(lists))]
    found = flat(lists, groups)
    resampling = Resampling(found.groups, 5, seed)
    means = resampling.means(found.ranks(), found.groups)
    areas = resampling.auc(found)
    size = len(resampling.groups)
    draws = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), 5)
    for draw, mean, resampled in zip(draws, means, areas):
        rows = [row for row, group in enumerate(groups) for _ in range(draw[group])]
        assert mean == pytest.approx(found.ranks()[rows].mean())
        repeated = flat([lists[row] for row in rows])
        if not repeated.labels.all():
            assert resampled == pytest.approx(roc_auc_score(repeated.labels, repeated.scores))


def test_intervals_hold_the_figure_and_depend_on_the_seed_alone():
    random = np.random.default_rng(1)
    ranks, groups = random.integers(1, 30, 400), np.arange(400)
    first = rank_metrics(ranks, groups, Resampling(groups, seed=4))
    assert first == rank_metrics(ranks, groups, Resampling(groups, seed=4))
    assert first != rank_metrics(ranks, groups, Resampling(groups, seed=5))
    recall = first["R@10"]
    spread = 1.96 * np.sqrt(recall.value * (1 - recall.value) / 400)
    assert (recall.value - recall.low, recall.high - recall.value) == pytest.approx((spread, spread), rel=0.15)


def test_queries_of_one_product_are_resampled_together():
    ranks = np.repeat(np.random.default_rng(2).integers(1, 30, 100), 4)
    alone = rank_metrics(ranks, np.arange(400), Resampling(np.arange(400)))["R@10"]
    groups = np.repeat(np.arange(100), 4)
    together = rank_metrics(ranks, groups, Resampling(groups))["R@10"]
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_resamples_are_the_same_in_blocks_of_any_size(monkeypatch):
    groups, values = np.arange(30), np.random.default_rng(0).random(30)
    counts = np.random.default_rng(7).multinomial(30, np.full(30, 1 / 30), 50)
    expected = counts @ values / 30
    for block in (1, 100, 2**22):
        monkeypatch.setattr(ranks_module, "_BLOCK", block)
        np.testing.assert_allclose(Resampling(groups, 50, 7).means(values, groups), expected)


def test_sum_of_both_directions():
    ranks, groups = np.array([1, 4, 20, 1]), np.arange(4)
    metric = sum_recall([(ranks, groups), (ranks, groups)], Resampling(groups))
    assert metric.value == pytest.approx(2 * (50 + 75 + 75))
    assert metric.low < metric.value < metric.high


@pytest.mark.parametrize("labels", [[0, 0, 1, 0], [1, 1, 1, 0]])
def test_one_positive_a_query(labels):
    with pytest.raises(ValueError, match="exactly one positive"):
        ScoredLists(np.zeros(4), np.array(labels, bool), np.array([0, 2, 4]), np.arange(2))


def test_a_score_that_is_no_number():
    with pytest.raises(ValueError, match="not finite"):
        ScoredLists(np.array([1.0, np.nan]), np.array([True, False]), np.array([0, 2]), np.arange(1))
