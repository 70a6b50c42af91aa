import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kaleido.records.draws import Draws, permutation, uniform

INDICES = np.arange(2000)


def test_draws_are_uniform():
    numbers = uniform(3, 1, INDICES, 2, (50,))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=100, range=(0, 1))
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert 50 < chi_square < 170  # 99 degrees of freedom: mean 99, deviation 14


def test_draws_of_other_keys_are_independent():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (-1, 0, 0)]
    columns = [uniform(seed, epoch, INDICES, stream, (4,)) for seed, epoch, stream in keys]
    columns.append(uniform(0, 0, INDICES + 1, 0, (4,)))
    correlation = np.corrcoef(np.concatenate(columns, axis=1).T)
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 0.1


@given(st.integers(-(2**63), 2**64), st.integers(0, 1000), st.lists(st.integers(0, 2**40), min_size=1, max_size=9))
def test_a_row_is_a_function_of_its_own_key(seed, epoch, indices):
    together = uniform(seed, np.full(len(indices), epoch), np.array(indices), 5, (3, 2))
    for row, index in zip(together, indices):
        assert np.array_equal(row, uniform(seed, epoch, np.array([index]), 5, (3, 2))[0])


def test_more_draws_leave_the_first_ones_as_they_are():
    assert np.array_equal(uniform(0, 0, INDICES, 1, (9,))[:, :4], uniform(0, 0, INDICES, 1, (4,)))


def test_integers_cover_their_range():
    draws = Draws(7, np.zeros(2000, np.int64), INDICES)
    counts = np.bincount(draws.integers(3, 9), minlength=9)
    assert len(counts) == 9
    assert counts.min() > 150


def test_epochs_have_different_permutations():
    first, second = permutation(0, 0, 1000), permutation(0, 1, 1000)
    assert np.array_equal(np.sort(first), np.arange(1000))
    assert np.array_equal(np.sort(second), np.arange(1000))
    assert (first == second).sum() < 10
    assert np.array_equal(first, permutation(0, 0, 1000))
