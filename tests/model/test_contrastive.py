"""Contrastive learning by the encoder: three ways to read, logits, and negatives from the batch."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kaleido.bench.training import random_batch
from kaleido.constants import EVERY_TASK
from kaleido.model.config import Compatibility, LossConfig, ModelConfig
from kaleido.model.contrastive import contrastive_logits, contrastive_losses, drawn_negatives, whole_texts
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.losses import item_hits, total_loss

ROWS, LENGTH = 6, 8
CONFIG = ModelConfig(
    vocab_size=50,
    feature_size=12,
    num_layers=2,
    hidden_size=16,
    num_heads=2,
    intermediate_size=32,
    initializer_range=0.4,
    dropout=0.0,
    attention_dropout=0.0,
)


@pytest.fixture(scope="module")
def model() -> KaleidoBert:
    keras.utils.set_random_seed(2)
    return KaleidoBert(CONFIG, EVERY_TASK)


@pytest.fixture(scope="module")
def shallow() -> KaleidoBert:
    keras.utils.set_random_seed(2)
    return KaleidoBert(replace(CONFIG, contrastive_reads="embeddings"), ("itc", "itm"))


@pytest.fixture(params=["model", "shallow"])
def either(request) -> KaleidoBert:
    return request.getfixturevalue(request.param)


@pytest.fixture
def batch() -> dict[str, np.ndarray]:
    found = random_batch(ROWS, LENGTH, CONFIG.vocab_size, CONFIG.feature_size, 3)
    random = np.random.default_rng(3)
    found["mlm_positions"] = np.argsort(random.random((ROWS, LENGTH)), axis=1)[:, :3].astype(np.int32)
    found |= {"itm_label": np.ones(ROWS, np.int32), "paired": np.ones(ROWS, np.float32)}
    return {**found, "itm_draws": random.random((ROWS, 2)).astype(np.float32)}


def test_a_text_is_read_without_its_photo_masks_and_padding(either, batch):
    before = np.asarray(either.text_embeddings(batch))
    assert before.shape == (ROWS, 256) and before.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1, rtol=1e-5)
    whole = np.asarray(whole_texts(batch))
    unmasked = {"token_ids": whole, "token_mask": batch["token_mask"]}
    np.testing.assert_allclose(either.text_embeddings(unmasked), before, atol=1e-5)
    padded = {name: np.pad(values, ((0, 0), (0, 5))) for name, values in unmasked.items()}
    np.testing.assert_allclose(either.text_embeddings(padded), before, atol=1e-5)


def test_a_photo_is_read_without_its_text(either, batch):
    before = np.asarray(either.image_embeddings(batch))
    assert before.shape == (ROWS, 256)
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1, rtol=1e-5)
    other = {**batch, "token_ids": batch["token_ids"][::-1]}
    np.testing.assert_array_equal(either.image_embeddings(other), before)
    moved = np.asarray(either.image_embeddings({**batch, "level5": batch["level5"][::-1]}))
    assert np.abs(moved - before).max() > 1e-3


def test_embeddings_are_compared_without_the_encoder(shallow, batch, monkeypatch):
    monkeypatch.setattr(shallow.encoder, "call", None)
    before = np.asarray(shallow.text_embeddings(batch))
    mixed = {**batch, "token_ids": whole_texts(batch), "mlm_weights": 0 * batch["mlm_weights"]}
    order = np.random.default_rng(4).permutation(LENGTH)
    for name in ("token_ids", "token_mask"):
        mixed[name] = np.asarray(mixed[name])[:, order]
    # A bag of words: their order does not matter.
    np.testing.assert_allclose(shallow.text_embeddings(mixed), before, atol=1e-5)
    photos = np.asarray(shallow.image_embeddings(batch))
    for level in range(1, 6):
        moved = {**batch, f"level{level}": batch[f"level{level}"][::-1]}
        assert np.abs(np.asarray(shallow.image_embeddings(moved)) - photos).max() > 1e-3


@settings(max_examples=50)
@given(st.data())
def test_masked_tokens_are_put_back(data):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    whole = random.integers(5, 30000, (3, LENGTH)).astype(np.int32)
    slots = data.draw(st.integers(1, LENGTH))
    positions = np.argsort(random.random((3, LENGTH)), axis=1)[:, :slots].astype(np.int32)
    weights = random.integers(0, 2, (3, slots))
    ids = np.take_along_axis(whole, positions, axis=1)
    masked = whole.copy()
    for row, slot in np.argwhere(weights):
        masked[row, positions[row, slot]] = 4
    # An unused slot may name any token.
    ids = np.where(weights == 1, ids, 7).astype(np.int32)
    batch = {"token_ids": masked, "mlm_positions": positions, "mlm_ids": ids, "mlm_weights": weights}
    np.testing.assert_array_equal(whole_texts(batch), whole)


@pytest.mark.parametrize("numbered", [False, True])
def test_equal_texts_do_not_compete(numbered):
    random = np.random.default_rng(0)
    texts, photos = (unit(random.normal(size=(5, 8))) for _ in range(2))
    tokens = random.integers(0, 9, (5, 4)).astype(np.int32)
    tokens[3] = tokens[1]
    scale = np.float32(1.5)
    batch = {"token_ids": tokens}
    if numbered:
        # Words were left out of the texts, so that their tokens differ.
        batch = {"token_ids": np.arange(20, dtype=np.int32).reshape(5, 4), "text_numbers": np.array([7, 4, 9, 4, 2])}
    logits = np.asarray(contrastive_logits(texts, photos, scale, batch))
    cosines = np.exp(scale) * photos @ texts.T
    same = np.zeros((5, 5), bool)
    same[1, 3] = same[3, 1] = True
    for side, expected in enumerate((cosines, cosines.T)):
        np.testing.assert_allclose(logits[:, side][~same], expected[~same], rtol=1e-4, atol=1e-5)
        assert (logits[:, side][same] < -9000).all()
    others = np.where(same, -np.inf, cosines)
    rows = np.log(np.exp(others).sum(axis=1)) - np.diag(cosines)
    columns = np.log(np.exp(others).sum(axis=0)) - np.diag(cosines)
    np.testing.assert_allclose(contrastive_losses(logits), np.stack([rows, columns], axis=1), rtol=1e-4, atol=1e-5)


def test_similar_negatives_are_drawn_more_often_and_never_the_row_or_its_text_again():
    random = np.random.default_rng(1)
    logits = random.normal(size=(4, 2, 4)).astype(np.float32) * 2
    logits[2, :, 1] -= 1e4  # the texts of the rows 1 and 2 are the same
    counts = np.zeros((4, 2, 4))
    for _ in range(400):
        drawn = np.asarray(drawn_negatives(logits, random.random((4, 2)).astype(np.float32)))
        for side in range(2):
            counts[np.arange(4), side, drawn[:, side]] += 1
    allowed = np.exp(np.where(np.eye(4, dtype=bool)[:, None], -np.inf, logits))
    np.testing.assert_allclose(counts / 400, allowed / allowed.sum(axis=-1, keepdims=True), atol=0.1)
    assert not counts[np.arange(4), :, np.arange(4)].any() and not counts[2, :, 1].any()


@pytest.mark.parametrize("draw", [0.0, 1.0])
def test_the_ends_of_the_draws_find_another_row(draw):
    logits = np.random.default_rng(2).normal(size=(7, 2, 7)).astype(np.float32)
    drawn = np.asarray(drawn_negatives(logits, np.full((7, 2), draw, np.float32)))
    assert ((drawn >= 0) & (drawn < 7) & (drawn != np.arange(7)[:, None])).all()


def test_matching_reads_the_pair_and_two_negatives_of_the_batch(model, batch):
    logits = model(batch)
    assert logits["itm"].shape == (ROWS, 3, 2) and logits["itc"].shape == (ROWS, 2, ROWS)
    drawn = np.asarray(drawn_negatives(logits["itc"], batch["itm_draws"]))
    alone = {name: values for name, values in batch.items() if name != "itm_draws"}
    words, shown = ("token_ids", "token_mask"), ("positions", *(f"level{level}" for level in range(1, 6)))
    other_texts = {**alone, **{name: alone[name][drawn[:, 0]] for name in words}}
    other_photos = {**alone, **{name: alone[name][drawn[:, 1]] for name in shown}}
    for place, pairs in enumerate((alone, other_texts, other_photos)):
        np.testing.assert_allclose(logits["itm"][:, place], model(pairs)["itm"], atol=1e-5)
    hits = np.asarray(item_hits("itm", logits["itm"], batch))
    np.testing.assert_array_equal(hits, np.argmax(np.asarray(logits["itm"]), axis=-1) == [1, 0, 0])


def test_the_task_adds_its_weighted_loss_and_the_default_leaves_it_out(model, batch):
    logits = model(batch)
    compatibility = Compatibility()
    total, losses = total_loss(logits, batch, LossConfig(itc=0.5), compatibility)
    without, others = total_loss(logits, batch, LossConfig(), compatibility)
    assert "itc" not in others and LossConfig().tasks == EVERY_TASK[:-1]
    assert float(losses["itc"]) == pytest.approx(float(ops.mean(contrastive_losses(logits["itc"]))), rel=1e-6)
    assert float(total) == pytest.approx(float(without) + 0.5 * float(losses["itc"]), rel=1e-5)


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
