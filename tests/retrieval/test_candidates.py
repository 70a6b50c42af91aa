"""Who competes with whom, and the files that keep it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from galleries import Shelf
from hypothesis import given, settings
from hypothesis import strategies as st

from kaleido.errors import UserError
from kaleido.records.reader import PhotoRecords
from kaleido.retrieval.candidate_files import read_lists, write_lists
from kaleido.retrieval.candidates import draw_lists, full_queries
from kaleido.retrieval.config import DIRECTIONS, CandidatesConfig
from kaleido.retrieval.gallery import PhotoGallery


@pytest.fixture
def shelf() -> Shelf:
    """40 products with one to three photos."""
    return Shelf(np.repeat(np.arange(40), np.arange(40) % 3 + 1))


LABELS = np.arange(40) % 4
CONFIG = CandidatesConfig(queries=15, negatives=6, repeats=3)


def products_of(shelf, lists):
    """Of every list the products of its candidates, and which of them is the query's."""
    candidates = lists.candidates if lists.direction == "i2t" else shelf.text_of_photo[lists.candidates]
    return candidates.reshape(len(lists), -1), lists.products(shelf)


@settings(max_examples=30)
@given(st.sampled_from(["product", "photo"]), st.integers(0, 3), st.integers(1, 9))
def test_every_list_has_its_positive_and_others_of_its_label(level, seed, negatives):
    shelf = Shelf(np.repeat(np.arange(40), np.arange(40) % 3 + 1))
    lists = draw_lists(shelf, LABELS, LABELS // 2, replace(CONFIG, level=level, seed=seed, negatives=negatives))
    for direction in DIRECTIONS:
        of_direction = lists[direction]
        assert len(of_direction) == 3 * 15
        found, own = products_of(shelf, of_direction)
        assert found.shape == (45, negatives + 1)
        np.testing.assert_array_equal(of_direction.labels.reshape(found.shape), found == own[:, None])
        assert (LABELS[found] == LABELS[own][:, None]).all()
        for candidates, row in zip(of_direction.candidates.reshape(found.shape), found):
            if direction == "t2i" or level == "product":
                assert len(set(candidates.tolist())) == negatives + 1
            if level == "product":
                assert len(set(row.tolist())) == negatives + 1
        for repeat in range(3):
            queries = of_direction.queries[of_direction.repeats == repeat]
            assert len(set(queries.tolist())) == 15 or (level == "photo" and direction == "t2i")


def test_lists_are_functions_of_the_seed(shelf):
    first, again, other = (draw_lists(shelf, LABELS, LABELS, replace(CONFIG, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["t2i"].candidates, again["t2i"].candidates)
    assert (first["t2i"].candidates != other["t2i"].candidates).any()
    repeats = first["i2t"].queries.reshape(3, -1)
    assert sorted(repeats[0]) != sorted(repeats[1])


def test_small_labels_are_filled_from_the_category_or_dropped(shelf):
    labels = np.where(np.arange(40) < 4, 0, 1)
    categories = np.arange(40) % 2
    lists = draw_lists(shelf, labels, categories, replace(CONFIG, queries=40, repeats=1))
    found, own = products_of(shelf, lists["i2t"])
    assert lists["i2t"].notes["queries_filled_from_category"] == 4
    for row in np.flatnonzero(own < 4):
        others = found[row][found[row] != own[row]]
        near = others[others < 4]
        assert set(near) == set(range(4)) - {own[row]}
        assert (categories[others[others >= 4]] == categories[own[row]]).all()
    dropped = draw_lists(shelf, labels, categories, replace(CONFIG, queries=40, repeats=1, small="drop"))["t2i"]
    assert sorted(dropped.queries.tolist()) == list(range(4, 40))
    assert dropped.notes["products_left_out"] == 4


def test_unlabelled_products_share_nothing(shelf):
    labels = np.where(np.arange(40) < 20, -1, 0)
    lists = draw_lists(shelf, labels, np.zeros(40, int), replace(CONFIG, small="drop", queries=40, repeats=1))
    assert lists["t2i"].queries.min() == 20


def test_queries_without_enough_candidates(shelf):
    few = np.arange(40) // 4
    with pytest.raises(UserError, match="has only 3 candidates in its subcategory and category"):
        draw_lists(shelf, few, few, CONFIG)
    with pytest.raises(UserError, match="no test product shares its subcategory with 6 others, at most with 3"):
        draw_lists(shelf, few, few, replace(CONFIG, small="drop"))


def test_one_product_is_nothing_to_choose_from():
    with pytest.raises(UserError, match="at least two products"):
        Shelf([0, 0, 0])


def test_everything_against_everything(shelf):
    photos, own = full_queries(shelf, "i2t")
    np.testing.assert_array_equal(photos, np.arange(len(shelf.photo_ids)))
    np.testing.assert_array_equal(own, shelf.text_of_photo)
    texts, photo = full_queries(shelf, "t2i")
    np.testing.assert_array_equal(texts, np.arange(40))
    np.testing.assert_array_equal(shelf.text_of_photo[photo], texts)
    assert (photo != full_queries(shelf, "t2i", seed=1)[1]).any()


def test_files_give_back_what_was_written(shelf, tmp_path):
    lists = draw_lists(shelf, LABELS, LABELS, CONFIG)
    path = tmp_path / "lists.jsonl"
    write_lists(path, shelf, lists, {"seed": 0})
    found = read_lists(path, shelf, {"seed": 0})
    for direction in DIRECTIONS:
        for name in ("repeats", "queries", "candidates", "labels", "offsets"):
            np.testing.assert_array_equal(getattr(found[direction], name), getattr(lists[direction], name))
        assert found[direction].notes == lists[direction].notes


def test_files_of_other_settings_products_or_bytes(shelf, tmp_path):
    path = tmp_path / "lists.jsonl"
    write_lists(path, shelf, draw_lists(shelf, LABELS, LABELS, CONFIG), {"seed": 0})
    with pytest.raises(UserError, match="drawn with other settings"):
        read_lists(path, shelf, {"seed": 1})
    with pytest.raises(UserError, match="drawn with other settings"):
        read_lists(path, Shelf(np.arange(40)), {"seed": 0})
    path.write_bytes(path.read_bytes().replace(b'"repeat":0', b'"repeat":1', 1))
    with pytest.raises(UserError, match="checksum"):
        read_lists(path, shelf)


def write_by_hand(path, *lines):
    path.write_text("\n".join(map(json.dumps, ({"format": "kaleido candidates 1"}, *lines))) + "\n")
    return path


LINE = {"direction": "t2i", "query": "product-1", "candidates": ["photo-0", "photo-1"], "labels": [0, 1]}


def test_lists_by_hand(shelf, tmp_path):
    found = read_lists(write_by_hand(tmp_path / "l.jsonl", LINE, LINE), shelf)
    assert list(found) == ["t2i"]
    assert found["t2i"].queries.tolist() == [1, 1]
    assert found["t2i"].offsets.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [1, 1]}, "line 3: .* exactly one positive"),
        ({"labels": [0, 0]}, "line 3: .* exactly one positive"),
        ({"labels": [0]}, "line 3: needs"),
        ({"labels": [0, 2]}, "line 3: needs"),
        ({"direction": "i2i"}, "line 3: needs"),
        ({"query": "product-99"}, "no such product or photo.* product-99"),
        ({"candidates": ["photo-0", "photo-x"]}, "no such product or photo.* photo-x"),
        ({"candidates": [[], {}]}, "line 3: needs"),
    ],
)
def test_wrong_lines(shelf, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_lists(write_by_hand(tmp_path / "l.jsonl", LINE, {**LINE, **change}), shelf)


@pytest.mark.parametrize(
    "content", [b"", b"[]\n", b'{"format": "other"}\n', b"\xff\xfe", b'{"format": "kaleido candidates 1"}\n']
)
def test_files_of_something_else(shelf, tmp_path, content):
    path = tmp_path / "l.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not a file of candidate lists|contains no candidate list"):
        read_lists(path, shelf)
    with pytest.raises(UserError, match="cannot be read"):
        read_lists(tmp_path / "absent", shelf)


def test_the_gallery_of_records(synthetic, tokenizer):
    records = PhotoRecords.open(synthetic, "validation")
    gallery = PhotoGallery(records, tokenizer, max_text_length=16)
    assert len(gallery.photo_ids) == len(records) and len(gallery.text_ids) == 11
    assert [gallery.text_ids[text] for text in gallery.text_of_photo] == [
        records.example(row)["product_id"].decode() for row in range(len(records))
    ]
    batch = gallery.texts(np.array([4, 2]))
    width = batch["token_ids"].shape[1]
    assert width == gallery.text_lengths[[4, 2]].max() <= 16
    for row, text in enumerate([4, 2]):
        photo = int(np.flatnonzero(gallery.text_of_photo == text)[0])
        pieces = records.example(photo)["token_ids"][:14]
        assert batch["token_ids"][row, : len(pieces) + 2].tolist() == [2, *pieces.tolist(), 3]
        assert batch["token_mask"][row].sum() == len(pieces) + 2
    vectors, positions = records.read(np.array([7, 7, 1]))
    photos = gallery.photos(np.array([7, 7, 1]))
    np.testing.assert_array_equal(photos["level4"], vectors[:, 17:33])
    np.testing.assert_array_equal(photos["level1"], vectors[:, :1])
    np.testing.assert_array_equal(photos["positions"], positions)


def test_texts_that_records_lack_need_their_catalogue(synthetic, tokenizer):
    with pytest.raises(UserError, match="not made of a catalogue"):
        PhotoGallery(PhotoRecords.open(synthetic, "train"), tokenizer, text="title")
