"""Text queries with right products from a file, and distractors of another split."""

import io
import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_fixtures import write_records

import kaleido
from kaleido.__main__ import main
from kaleido.app.model_folder import load_model, save_model
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.folder import Records
from kaleido.records.open import open_records
from kaleido.retrieval.config import RetrieveConfig
from kaleido.retrieval.cosine_scorer import two_tower_scorer
from kaleido.retrieval.gallery import JoinedGallery, open_gallery
from kaleido.retrieval.kagl import QueryGallery, metrics_of, rank_queries, read_queries
from kaleido.retrieval.run import retrieve
from kaleido.text import load_tokenizer

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(scope="module")
def three_splits(tmp_path_factory):
    """Records of 40, 10 and 20 photos in three splits, two photos a product."""
    return write_records(tmp_path_factory.mktemp("kagl") / "records", {"train": 40, "validation": 10, "test": 20})


@pytest.fixture(scope="module")
def contrastive_model(three_splits, tmp_path_factory):
    """A random model's folder with the heads itm and itc."""
    keras.utils.set_random_seed(0)
    directory = tmp_path_factory.mktemp("model") / "model"
    tokenizer = load_tokenizer(three_splits)
    config = ModelConfig(tokenizer.vocab_size, 12, 2, 16, 2, 32, initializer_range=0.5)
    processor = {"backbone": "random", "text_length": 24}
    save_model(directory, KaleidoBert(config, ("itm", "itc")), "pretraining", tokenizer, processor=processor)
    return directory


@pytest.fixture
def queries(three_splits, tmp_path):
    """A file of queries about products of each split, of two splits, and of a product that is not there."""
    ids = {split: open_records(three_splits, split).product_ids()[::2] for split in Records(three_splits).splits}
    content = {f"{split} {number}": {id: 1} for split, of in ids.items() for number, id in enumerate(of[:4])}
    content["two"] = {ids["train"][0]: 1, ids["test"][0]: 1, ids["test"][1]: 0}
    content["nobody's"] = {"no such product": 1}
    path = tmp_path / "queries.json"
    path.write_text(json.dumps(content))
    return path


def test_rows_and_dump_are_those_of_plain_python(three_splits, contrastive_model, queries, tmp_path):
    config = RetrieveConfig(
        records=str(three_splits), out="", model=str(contrastive_model), protocol="kagl", queries=str(queries),
        rank_by="embeddings",
    )  # fmt: skip
    result = retrieve(config)
    dump = np.load(io.BytesIO(result.files["retrieval-kagl-scores.npz"]))
    content = json.loads(result.files["retrieval-kagl.json"])
    model = kaleido.load(contrastive_model)
    asked = {query: ids for query, ids in json.loads(queries.read_text()).items() if query != "nobody's"}
    assert dump["queries"].tolist() == list(asked) and content["queries_left_out"] == 1
    texts = model.encode_text(list(asked), progress=False)
    gallery = JoinedGallery(
        [open_gallery(open_records(three_splits, split), 24) for split in Records(three_splits).splits]
    )
    photos = two_tower_scorer(load_model(contrastive_model).model, gallery, 16).photos
    products = np.array(gallery.text_ids)[gallery.text_of_photo]
    ranks = {"test": [], "test_alone": [], "train": []}
    for row, right in enumerate(asked.values()):
        scores = photos @ texts[row]
        order = np.argsort(-scores, kind="stable")
        np.testing.assert_allclose(scores[dump["photos"][row]], scores[order], atol=1e-6)
        relevant = [id for id, value in right.items() if value]
        split = dump["query_splits"][row]
        hits = np.isin(products[order], relevant)
        if split in ranks:
            ranks[split].append(np.flatnonzero(hits)[0] + 1)
        if split == "test":
            own = dump["photo_splits"][order] == "test"
            ranks["test_alone"].append(np.flatnonzero(hits[own])[0] + 1)
    assert dump["query_splits"][-1] == "several"
    for name, of in ranks.items():
        row = content["rows"][name]
        assert row["queries"] == len(of) == 4
        expected = np.mean([1 / rank if rank <= 10 else 0 for rank in of])
        assert row["MRR"]["value"] == pytest.approx(expected)
        assert row["MRR"]["low"] <= expected <= row["MRR"]["high"]
        assert result.metrics[f"{name}/MRR"] == row["MRR"]["value"]
    assert content["rows"]["test_alone"]["photos"] == 20 and content["rows"]["all"]["photos"] == 70
    assert content["rows"]["all"]["queries"] == len(asked)
    assert "FashionSigLIP" in result.table and "1 queries were left out" in result.table


@given(st.lists(st.booleans(), min_size=1, max_size=14), st.integers(0, 3))
def test_metrics_of_a_query_by_their_definitions(hits, missing):
    photos = np.arange(len(hits))[None]
    right = np.append(np.flatnonzero(hits), 100 + np.arange(missing))
    if not len(right):
        return
    first, ten, reciprocal, average = metrics_of(photos, [right])[0]
    ranks = [rank for rank, hit in enumerate(hits[:10], 1) if hit]
    assert first == hits[0] / len(right)
    assert ten == len(ranks) / len(right)
    assert reciprocal == (1 / ranks[0] if ranks else 0)
    assert average == pytest.approx(sum(hits[:rank].count(True) / rank for rank in ranks) / len(right))


class Constant:
    """Gives every pair the same score."""

    threshold = None

    def scores(self, texts, photos):
        return np.zeros(len(texts), np.float32)


class Backwards(Constant):
    """Gives later photos higher scores."""

    def scores(self, texts, photos):
        return photos.astype(np.float32)


def test_ties_count_against_the_model_and_a_shortlist_is_ordered_anew(three_splits, queries):
    records = Records(three_splits)
    known = {id for split in records.splits for id in records.open(split).product_ids()}
    gallery = QueryGallery(records, read_queries(queries, known)[0], 24)
    photos, _ = rank_queries(gallery, Constant())
    assert all(set(row[-len(right) :]) == set(right) for row, right in zip(photos, gallery.right))
    again, scores = rank_queries(gallery, Constant(), Backwards(), 5)
    np.testing.assert_array_equal(again[:, :5], -np.sort(-photos[:, :5]))
    np.testing.assert_array_equal(again[:, 5:], photos[:, 5:])
    np.testing.assert_array_equal(scores[:, :5], again[:, :5])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "must be a JSON object"),
        ('{"a": ["1"]}', "must be a JSON object"),
        ('{"a": {"1": 1}}', "in these records"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "queries.json"
    path.write_text(content)
    with pytest.raises(UserError, match=words):
        read_queries(path, {"2"})


def test_distractors_have_rows_of_their_own(three_splits, contrastive_model, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [
        "--model",
        str(contrastive_model),
        "--records",
        str(three_splits),
        "--protocol",
        "full",
        "--out",
        str(out),
    ]
    assert main(["evaluate", *arguments, "--distractors", "train"]) == 0
    assert "image to text, among the train products too" in capsys.readouterr().out
    content = json.loads((out / "retrieval-full-test.json").read_text())
    assert content["directions"]["t2i"]["candidates"] == [19, 19]
    wide = content["distractors"]
    assert wide["directions"]["t2i"]["candidates"] == [59, 59] and wide["directions"]["i2t"]["candidates"] == [30, 30]
    assert wide["directions"]["t2i"]["queries"] == content["directions"]["t2i"]["queries"] == 10
    plain, dump = (np.load(out / f"retrieval-full-test{suffix}-scores.npz") for suffix in ("", "-distractors"))
    for direction in ("i2t", "t2i"):
        # Wrong candidates that are added cannot lower a rank.
        assert (dump[f"{direction}_rank"] >= plain[f"{direction}_rank"]).all()
        assert dump[f"{direction}_rank"].sum() > plain[f"{direction}_rank"].sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--distractors", "train"], "for protocol full"),
        (["--protocol", "full", "--distractors", "test"], "of another split"),
        (["--protocol", "kagl"], "needs a file of queries"),
        (["--protocol", "full", "--queries", "q.json"], "no other protocol reads one"),
    ],
)
def test_options_that_do_not_go_together(three_splits, contrastive_model, capsys, options, words):
    arguments = ["--model", str(contrastive_model), "--records", str(three_splits), "--out", "out", *options]
    assert main(["retrieve", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_bank_changes_ranks_and_is_told(three_splits, contrastive_model):
    config = RetrieveConfig(
        records=str(three_splits), out="", model=str(contrastive_model), protocol="full", rank_by="embeddings"
    )
    plain, banked = retrieve(config), retrieve(replace(config, bank="train"))
    assert json.loads(banked.files["retrieval-full-test.json"])["bank"] == "train"
    assert "normalised by the train products" in banked.table and "normalised" not in plain.table
    assert plain.metrics != banked.metrics
