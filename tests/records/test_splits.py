from hypothesis import given
from hypothesis import strategies as st

from kaleido.catalog.product import Photo, Product
from kaleido.catalog.sample import place
from kaleido.records.splits import assign_splits


def products_of(splits: list[str]) -> list[Product]:
    return [Product(f"id-{i}", "title", (Photo(f"{i}", f"photos/{i}"),), split=split) for i, split in enumerate(splits)]


def test_fractions_are_kept_and_depend_on_id_and_seed_alone():
    products = products_of([""] * 3000)
    splits = assign_splits(products, 0.1, 0.2, seed=0)
    assert abs(splits.count("validation") - 300) < 60
    assert abs(splits.count("test") - 600) < 80
    assert assign_splits(products[1000:], 0.1, 0.2, seed=0) == splits[1000:]
    assert assign_splits(products, 0.1, 0.2, seed=1) != splits


def test_prescribed_splits_stand():
    prescribed = ["train", "validation", "test"] * 100
    assert assign_splits(products_of(prescribed), 0.5, 0.4, seed=0) == prescribed


def test_validation_is_held_out_of_train_where_none_is_prescribed():
    prescribed = ["train", "test"] * 500
    splits = assign_splits(products_of(prescribed), 0.2, 0.5, seed=0)
    assert splits[1::2] == ["test"] * 500
    assert set(splits[::2]) == {"train", "validation"}
    assert abs(splits.count("validation") - 100) < 30


def test_unprescribed_products_are_shared_out():
    splits = assign_splits(products_of(["train", "validation", ""] * 300), 0.2, 0.2, seed=0)
    assert splits[0::3] == ["train"] * 300
    assert set(splits[2::3]) == {"train", "validation", "test"}


@given(
    splits=st.lists(st.sampled_from(["", "train", "test"]), min_size=2, max_size=30),
    seed=st.integers(0, 5),
    fractions=st.sampled_from([(0.05, 0.1), (0.01, 0.0), (0.05, 0.9)]),
)
def test_one_product_at_least_is_held_out_for_validation(splits, seed, fractions):
    found = assign_splits(products_of(splits), *fractions, seed=seed)
    free = [split for split in splits if split != "test"]
    if found.count("train") and len(free) > 1:
        assert "validation" in found
    assert all(now == "test" for now, before in zip(found, splits) if before == "test")
    draws = [place(f"id-{i}", seed) for i, split in enumerate(splits) if split != "test"]
    if any(drawn >= sum(fractions) for drawn in draws):
        assert "train" in found


def test_two_products():
    for seed in range(20):
        assert sorted(assign_splits(products_of(["", ""]), 0.05, 0.0, seed)) == ["train", "validation"]
        assert sorted(assign_splits(products_of([""] * 4), 0.05, 0.0, seed)) == ["train"] * 2 + ["validation"] * 2
    assert assign_splits(products_of(["", ""]), 0.0, 0.0, 0) == ["train", "train"]
