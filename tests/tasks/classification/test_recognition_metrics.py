import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from kaleido.tasks.classification.metrics import recognition


def test_by_hand():
    found = recognition([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], 4)
    assert found.accuracy == 3 / 5
    # Class 0: precision and recall 1/2; 1: 2/3 and 1; 2: nothing; 3 is neither there nor said.
    np.testing.assert_allclose(found.f1, [0.5, 0.8, 0, 0])
    assert found.macro_f1 == pytest.approx((0.5 + 0.8 + 0) / 3)
    np.testing.assert_array_equal(found.confusion[:3, :3], [[1, 1, 0], [0, 2, 0], [1, 0, 0]])
    np.testing.assert_array_equal(found.support, [2, 2, 1, 0])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_it_is_scikit_learns(pairs):
    labels, predicted = map(list, zip(*pairs))
    found = recognition(labels, predicted, 6)
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0))
    assert found.confusion.sum() == len(pairs) and np.trace(found.confusion) == pytest.approx(
        found.accuracy * len(pairs)
    )


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="nothing"):
        recognition([], [], 3)
