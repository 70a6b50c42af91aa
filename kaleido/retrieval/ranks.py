"""How well candidates are ranked (paper section 4.2, ITR and TIR): Rank@k, mean rank, accuracy, AUC, their intervals.

Every query has exactly one positive among its candidates, and ties are broken against the model: a negative that scores
like the positive stands before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

CUTOFFS = (1, 5, 10)
"""k of Rank@k."""

RECALLS = tuple(f"R@{k}" for k in CUTOFFS)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its bootstrap interval, which holds 95 % of what resampled queries give."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScoredLists:
    """Scored candidates of Q queries, list after list.

    Attributes:
        scores: float [pairs], higher the likelier.
        labels: bool [pairs], True on the positives.
        offsets: int [Q + 1]; the list of query i is `offsets[i]:offsets[i + 1]`.
        groups: int [Q], what is resampled together: the query's product.

    Raises:
        ValueError: if a query has no or several positives, or a score is no number.
    """

    scores: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray
    groups: np.ndarray

    def __post_init__(self):
        positives = np.add.reduceat(self.labels, self.offsets[:-1], dtype=np.int64)
        if (np.diff(self.offsets) < 1).any() or (positives != 1).any():
            raise ValueError("every query needs exactly one positive")
        if not np.isfinite(self.scores).all():
            raise ValueError("a score is no number")

    @property
    def positive_scores(self) -> np.ndarray:
        """The score of each query's positive: float [Q]."""
        return self.scores[self.labels]

    def ranks(self) -> np.ndarray:
        """The place of each query's positive, from 1: int64 [Q]."""
        positive = np.repeat(self.positive_scores, np.diff(self.offsets))
        # The positive is not below itself, so it counts as the one that makes the first place 1.
        return np.add.reduceat(self.scores >= positive, self.offsets[:-1], dtype=np.int64)

    def hits(self, threshold: float) -> np.ndarray:
        """The share of each query's pairs that the threshold tells right: float64 [Q]."""
        right = (self.scores > threshold) == self.labels
        return np.add.reduceat(right, self.offsets[:-1], dtype=np.float64) / np.diff(self.offsets)


class Resampling:
    """Draws of as many groups as there are, with replacement; figures of the same draws may be added up.

    Args:
        groups: int, those there are; repetitions do not matter.
        resamples: How many draws B.
        seed: Of the draws.
    """

    def __init__(self, groups: np.ndarray, resamples: int = 1000, seed: int = 0):
        self.groups = np.unique(groups)
        size = len(self.groups)
        # counts[b, g]: how often draw b has group g.
        self._counts = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), resamples).astype(float)

    def means(self, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """The mean of values over the queries of each draw.

        Args:
            values: float [Q].
            groups: int [Q].

        Returns:
            float64 [B], NaN where a draw has none of the queries.
        """
        places = np.searchsorted(self.groups, groups)
        totals, sizes = (np.bincount(places, weights, len(self.groups)) for weights in (values, None))
        return _divide(self._counts @ totals, self._counts @ sizes)

    def auc(self, lists: ScoredLists) -> np.ndarray:
        """The area under the ROC curve over all pairs of each draw: float64 [B]."""
        places = np.searchsorted(self.groups, lists.groups)
        size = len(self.groups)
        positive_scores = lists.positive_scores
        negative = ~lists.labels
        negative_scores = lists.scores[negative]
        negative_places = np.repeat(places, np.diff(lists.offsets))[negative]
        order = np.lexsort((negative_scores, negative_places))
        negative_scores = negative_scores[order]
        bounds = np.searchsorted(negative_places[order], np.arange(size + 1))
        # below[g, h]: pairs of a positive of group g and a lower negative of group h; equal ones count half.
        below = np.zeros((size, size))
        for group in range(size):
            of_group = negative_scores[bounds[group] : bounds[group + 1]]
            beaten = np.searchsorted(of_group, positive_scores) + np.searchsorted(of_group, positive_scores, "right")
            below[:, group] = np.bincount(places, beaten / 2, size)
        positives, negatives = np.bincount(places, minlength=size), np.diff(bounds)
        beaten = np.einsum("bg,bg->b", self._counts @ below, self._counts)
        return _divide(beaten, (self._counts @ positives) * (self._counts @ negatives))


def rank_figures(ranks: np.ndarray, groups: np.ndarray, resampling: Resampling) -> dict[str, Figure]:
    """Rank@k as shares in 0..1, and the mean rank."""
    values = {f"R@{k}": (ranks <= k).astype(float) for k in CUTOFFS} | {"mean_rank": ranks.astype(float)}
    return {name: _figure(float(numbers.mean()), resampling.means(numbers, groups)) for name, numbers in values.items()}


def pair_figures(lists: ScoredLists, resampling: Resampling, threshold: float | None) -> dict[str, Figure]:
    """Area under the ROC curve (scikit-learn), and accuracy where scores have a threshold; over all pairs of lists.

    Lists of unequal lengths count alike in the accuracy.
    """
    figures = {}
    if threshold is not None:
        hits = lists.hits(threshold)
        figures["accuracy"] = _figure(float(hits.mean()), resampling.means(hits, lists.groups))
    if not lists.labels.all():
        figures["AUC"] = _figure(float(roc_auc_score(lists.labels, lists.scores)), resampling.auc(lists))
    return figures


def sum_figure(directions: Sequence[tuple[np.ndarray, np.ndarray]], resampling: Resampling) -> Figure:
    """SumR: Rank@1, 5 and 10 of all directions added up, in percent.

    Args:
        directions: Of each the ranks and the groups of its queries.
        resampling: Of the groups of all.
    """
    value, resampled = 0.0, 0.0
    for ranks, groups in directions:
        found = 100 * sum((ranks <= k).astype(float) for k in CUTOFFS)
        value += float(found.mean())
        resampled = resampled + resampling.means(found, groups)
    return _figure(value, resampled)


def _figure(value: float, resampled: np.ndarray) -> Figure:
    return Figure(value, *map(float, np.nanquantile(resampled, (0.025, 0.975))))


def _divide(total: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.divide(total, size, out=np.full(len(total), np.nan), where=size > 0)
