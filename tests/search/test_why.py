"""Explanations of a hit, against scores that are computed one hidden word or patch at a time."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_fixtures import model_folders, photo_files  # noqa: F401

import kaleido
from kaleido.app.model_folder import load_model, save_model
from kaleido.constants import LEVEL_SLICES
from kaleido.errors import UserError
from kaleido.pretrained.inputs import examples_of
from kaleido.search.why import covered, explain
from kaleido.text import load_tokenizer

TEXT = "red shirt number 3"


@pytest.fixture(scope="module", params=["contrastive", "pretraining"])
def model(request, model_folders):  # noqa: F811
    return kaleido.load(model_folders[request.param])


@pytest.fixture(scope="module")
def found(model, photo_files):  # noqa: F811
    return explain(model, photo_files[0], TEXT)


def score(model, batch, token_ids, token_mask):
    """The score of one photo and one text in the plain way."""
    batch = batch | {"token_ids": np.array([token_ids], np.int32), "token_mask": np.array([token_mask], np.int32)}
    network = model._saved.model
    if model.task == "contrastive":
        return float(np.sum(np.asarray(network.text_embeddings(batch)) * np.asarray(network.image_embeddings(batch))))
    (logits,) = np.asarray(network.heads["itm"](network.encode(batch, training=False)[2]))
    return float(logits[1] - logits[0])


def test_weights_are_what_the_score_loses(model, found, photo_files):  # noqa: F811
    tokenizer = load_tokenizer(model.directory)
    ids, owners = tokenizer.encode(TEXT)
    tokens = [tokenizer.cls_id, *ids, tokenizer.sep_id]
    _, batch = model._processor.one(next(examples_of(photo_files[0], None)[0]))
    whole = score(model, batch, tokens, np.ones(len(tokens)))
    assert found["score"] == pytest.approx(whole, abs=1e-4)
    assert [word["word"] for word in found["words"]] == TEXT.split()
    for number, word in enumerate(found["words"]):
        mask = [1, *(owners != number), 1]
        assert word["weight"] == pytest.approx(whole - score(model, batch, tokens, mask), abs=1e-4)
    # The last cell of level 3 hides itself, and what others show of the last ninth.
    hidden = {name: values.copy() for name, values in batch.items()}
    boxes = np.array([patch["box"] for patch in found["patches"]], float)
    x1, y1, x2, y2 = boxes[13]
    for level, place in enumerate(LEVEL_SLICES, 1):
        for row, (left, top, right, bottom) in enumerate(boxes[place]):
            shared = max(0, min(x2, right) - max(x1, left)) * max(0, min(y2, bottom) - max(y1, top))
            hidden[f"level{level}"][0, row] *= np.float16(1 - shared / ((right - left) * (bottom - top)))
    lost = whole - score(model, hidden, tokens, np.ones(len(tokens)))
    assert found["patches"][13]["weight"] == pytest.approx(lost, abs=1e-3)


def test_it_is_what_json_can_hold_and_lies_in_the_photo(found, photo_files):  # noqa: F811
    assert json.loads(json.dumps(found)) == found
    assert (found["width"], found["height"]) == (40, 60)
    assert [patch["level"] for patch in found["patches"]] == [n for n in range(1, 6) for _ in range(n * n)]
    for patch in found["patches"]:
        x1, y1, x2, y2 = patch["box"]
        assert 0 <= x1 < x2 <= 40 and 0 <= y1 < y2 <= 60 and 0 <= patch["row"] < patch["level"] > patch["column"] >= 0
    weights = [pair["weight"] for pair in found["pairs"]]
    assert weights == sorted(weights, reverse=True) and 0 < len(weights) <= 4 * len(found["words"])
    assert all(5 <= pair["patch"] < 55 for pair in found["pairs"])


def test_the_same_photo_and_text_give_the_same(model, found, photo_files):  # noqa: F811
    assert explain(model, photo_files[0].read_bytes(), TEXT) == found
    longer = explain(model, photo_files[1], "blue hat " * 40, pairs=1)
    assert len(longer["words"]) <= 14 and len(longer["pairs"]) <= len(longer["words"])


def test_pairs_come_from_the_aligner_of_the_folder(model_folders, photo_files, tmp_path):  # noqa: F811
    from kaleido.alignment.aligner import Aligner
    from kaleido.alignment.captioner import AlignmentCaptioner
    from kaleido.alignment.config import AlignConfig

    saved, tokenizer = load_model(model_folders["contrastive"]), load_tokenizer(model_folders["contrastive"])
    captioner = AlignmentCaptioner(tokenizer.vocab_size, 3, tokenizer.cls_id, tokenizer.sep_id, 8, 8.0, 0.1, 1.0)
    Aligner(captioner, tokenizer, AlignConfig(min_cover=0.1)).save(tmp_path / "aligner", {})
    save_model(
        tmp_path / "model",
        saved.model,
        "contrastive",
        tokenizer,
        task_config=saved.content["task_config"],
        processor=saved.content["processor"],
        aligner=tmp_path / "aligner",
    )
    found = explain(kaleido.load(tmp_path / "model"), photo_files[0], TEXT)
    for number, word in enumerate(found["words"]):
        weights = sorted((abs(pair["weight"]) for pair in found["pairs"] if pair["word"] == number), reverse=True)
        assert weights == pytest.approx([abs(word["weight"]) / place for place in range(1, len(weights) + 1)])
    assert found["pairs"]


def test_what_cannot_be_explained_is_a_line(model_folders, model, photo_files, tmp_path):  # noqa: F811
    with pytest.raises(UserError, match="cannot compare photos and texts"):
        explain(kaleido.load(model_folders["category"]), photo_files[0], TEXT)
    for text in ("", "  \t"):
        with pytest.raises(UserError, match="no words that the model reads"):
            explain(model, photo_files[0], text)
    with pytest.raises(UserError, match="must be a str"):
        explain(model, photo_files[0], [3])
    with pytest.raises(UserError, match="cannot be decoded"):
        explain(model, b"GIF89a", TEXT)
    with pytest.raises(UserError, match="cannot be read"):
        explain(model, tmp_path / "nowhere.jpg", TEXT)


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 9)] * 2), min_size=1, max_size=5))
def test_shares_are_those_of_counted_pixels(boxes):
    boxes = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    pictures = np.zeros((len(boxes), 20, 20), bool)
    for picture, (x1, y1, x2, y2) in zip(pictures, boxes):
        picture[y1:y2, x1:x2] = True
    shared = (pictures[:, None] & pictures).sum((2, 3)) / pictures.sum((1, 2))
    np.testing.assert_allclose(covered(np.array(boxes)), shared)
