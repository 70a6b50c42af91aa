"""Ranking metrics with bootstrap intervals: Rank@k, mean rank, accuracy and AUC (the paper's tasks ITR and TIR).

Every query has exactly one positive among its candidates. Ties count against the model: a negative with the score of
the positive ranks before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

CUTOFFS = (1, 5, 10)
"""Values of k for Rank@k."""

_BLOCK = 2**22
"""Number of counts that resampling copies at once."""

RECALLS = tuple(f"R@{k}" for k in CUTOFFS)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Value of a metric with the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScoredLists:
    """Scored candidates of Q queries, concatenated list by list.

    Attributes:
        scores: float [pairs], higher for better matches.
        labels: bool [pairs], True for the positives.
        offsets: int [Q + 1]; the list of query i is `offsets[i]:offsets[i + 1]`.
        groups: int [Q], product of each query; the queries of a product are resampled together.

    Raises:
        ValueError: if a query does not have exactly one positive, or a score is not finite.
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
            raise ValueError("a score is not finite")

    @property
    def positive_scores(self) -> np.ndarray:
        """Returns the score of each query's positive: float [Q]."""
        return self.scores[self.labels]

    def ranks(self) -> np.ndarray:
        """Computes the rank of each query's positive, from 1: int64 [Q]."""
        positive = np.repeat(self.positive_scores, np.diff(self.offsets))
        # The comparison includes the positive itself, so ranks start at 1.
        return np.add.reduceat(self.scores >= positive, self.offsets[:-1], dtype=np.int64)

    def hits(self, threshold: float) -> np.ndarray:
        """Computes the share of each query's pairs that the threshold classifies correctly: float64 [Q]."""
        right = (self.scores > threshold) == self.labels
        return np.add.reduceat(right, self.offsets[:-1], dtype=np.float64) / np.diff(self.offsets)


class Resampling:
    """Bootstrap resampling of groups with replacement; resampled metrics of the same object can be added.

    Args:
        groups: int, groups to resample; repetitions do not matter.
        resamples: Number of resamples B.
        seed: Seed of the resamples.
    """

    def __init__(self, groups: np.ndarray, resamples: int = 1000, seed: int = 0):
        self.groups = np.unique(groups)
        size = len(self.groups)
        random, shares = np.random.default_rng(seed), np.full(size, 1 / size)
        # counts[b, g]: number of times that resample b contains group g. A byte each, because 100,000 groups are many;
        # of more than 255 a count of 256 never comes: it has a probability below 1e-500.
        self._counts = np.empty((resamples, size), np.uint8)
        for block in self._blocks():
            self._counts[block] = random.multinomial(size, shares, len(self._counts[block]))

    def means(self, values: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Computes the mean of values over the queries of each resample.

        Args:
            values: float [Q], value of each query.
            groups: int [Q], group of each query.

        Returns:
            float64 [B], NaN for resamples without any of the queries.
        """
        places = np.searchsorted(self.groups, groups)
        both = np.stack([np.bincount(places, weights, len(self.groups)) for weights in (values, None)], axis=1)
        sums = np.concatenate([self._counts[block].astype(float) @ both for block in self._blocks()])
        return _divide(sums[:, 0], sums[:, 1])

    def _blocks(self) -> list[slice]:
        """Splits the resamples into blocks of which copies in 8 bytes a count take little memory."""
        rows = max(1, _BLOCK // len(self.groups))
        return [slice(start, start + rows) for start in range(0, len(self._counts), rows)]

    def auc(self, lists: ScoredLists) -> np.ndarray:
        """Computes the area under the ROC curve over all pairs of each resample: float64 [B]."""
        places = np.searchsorted(self.groups, lists.groups)
        size = len(self.groups)
        positive_scores = lists.positive_scores
        negative = ~lists.labels
        negative_scores = lists.scores[negative]
        negative_places = np.repeat(places, np.diff(lists.offsets))[negative]
        order = np.lexsort((negative_scores, negative_places))
        negative_scores = negative_scores[order]
        bounds = np.searchsorted(negative_places[order], np.arange(size + 1))
        # below[g, h]: number of (positive of group g, lower negative of group h) pairs; ties count half.
        below = np.zeros((size, size))
        for group in range(size):
            of_group = negative_scores[bounds[group] : bounds[group + 1]]
            beaten = np.searchsorted(of_group, positive_scores) + np.searchsorted(of_group, positive_scores, "right")
            below[:, group] = np.bincount(places, beaten / 2, size)
        positives, negatives = np.bincount(places, minlength=size), np.diff(bounds)
        counts = self._counts.astype(float)
        beaten = np.einsum("bg,bg->b", counts @ below, counts)
        return _divide(beaten, (counts @ positives) * (counts @ negatives))


def rank_metrics(ranks: np.ndarray, groups: np.ndarray, resampling: Resampling) -> dict[str, Estimate]:
    """Computes Rank@k, as shares in 0..1, and the mean rank."""
    values = {f"R@{k}": (ranks <= k).astype(float) for k in CUTOFFS} | {"mean_rank": ranks.astype(float)}
    return {name: mean_value(numbers, groups, resampling) for name, numbers in values.items()}


def mean_value(values: np.ndarray, groups: np.ndarray, resampling: Resampling) -> Estimate:
    """Computes the mean of one value per query, for example `ScoredLists.hits`: every query has the same weight."""
    return _estimate(float(values.mean()), resampling.means(values, groups))


def area(lists: ScoredLists, resampling: Resampling) -> Estimate:
    """Computes the area under the ROC curve over all pairs, of which at least one must be a negative."""
    return _estimate(float(roc_auc_score(lists.labels, lists.scores)), resampling.auc(lists))


def sum_recall(directions: Sequence[tuple[np.ndarray, np.ndarray]], resampling: Resampling) -> Estimate:
    """Computes SumR, the sum of Rank@1, 5 and 10 over all directions, in percent.

    Args:
        directions: Ranks and groups of the queries of each direction.
        resampling: Resampling of the groups of all directions.
    """
    value, resampled = 0.0, 0.0
    for ranks, groups in directions:
        found = 100 * sum((ranks <= k).astype(float) for k in CUTOFFS)
        value += float(found.mean())
        resampled = resampled + resampling.means(found, groups)
    return _estimate(value, resampled)


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    return Estimate(value, *map(float, np.nanquantile(resampled, (0.025, 0.975))))


def _divide(total: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.divide(total, size, out=np.full(len(total), np.nan), where=size > 0)
