import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.records.draws import Draws
from kaleido.records.index import Index
from kaleido.records.partners import GROUP, Partners


def index_of(products, texts, subcategories) -> Index:
    none, offsets = np.zeros(0, np.int32), np.zeros(len(products) + 1, np.int64)
    columns = [np.array(c, np.int32) for c in (products,) * 3 + (products, texts, subcategories, subcategories)]
    ids = [np.array([str(n).encode() for n in range(len(products))], "S")] * 2
    return Index(*ids, *columns, offsets, none, none, offsets, none, none, none)


products = st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 2)), min_size=1, max_size=6)


@st.composite
def indices(draw) -> Index:
    kinds = draw(products)
    rows = draw(st.lists(st.integers(0, len(kinds) - 1), min_size=1, max_size=40))
    return index_of(rows, [kinds[r][0] for r in rows], [kinds[r][1] for r in rows])


def draws_of(records: np.ndarray, seed: int) -> Draws:
    return Draws(seed, np.zeros_like(records), records)


@given(indices(), st.integers(0, 99), st.booleans())
@settings(max_examples=150)
def test_texts_are_another_products_and_worded_differently(index, seed, same_subcategory):
    records = np.arange(len(index))
    found = Partners(index).texts(records, draws_of(records, seed), same_subcategory)
    for record, partner in zip(records, found):
        allowed = (index.product != index.product[record]) & (index.text != index.text[record])
        near = allowed & (index.subcategory == index.subcategory[record]) & (index.subcategory >= 0)
        if same_subcategory and near.any():
            allowed = near
        assert allowed[partner] if allowed.any() else partner == -1


@given(indices(), st.integers(0, 99))
@settings(max_examples=150)
def test_donors_are_other_products_of_the_group_where_there_are_any(index, seed):
    records = np.random.default_rng(seed).permutation(len(index))
    donors = Partners(index).donors(records, draws_of(records, seed))
    for row, (record, donor) in enumerate(zip(records, donors)):
        group = records[row // GROUP * GROUP : row // GROUP * GROUP + GROUP]
        near = group[index.product[group] != index.product[record]]
        if len(near):
            assert donor in near
        elif (index.product != index.product[record]).any():
            assert index.product[donor] != index.product[record]
        else:
            assert donor == -1


def test_partners_are_drawn_evenly():
    index = index_of(range(10), range(10), [0] * 5 + [1] * 5)
    records = np.zeros(9000, np.int64)
    draws = Draws(0, np.arange(9000), records)
    counts = np.bincount(Partners(index).texts(records, draws, False), minlength=10)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 1000).max() < 150
    near = np.bincount(Partners(index).texts(records, draws, True), minlength=10)
    assert near[[0, 5, 6, 7, 8, 9]].sum() == 0
    assert np.abs(near[1:5] - 2250).max() < 250
