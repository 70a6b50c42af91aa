from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kaleido.bench.training import random_batch
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.captioning.beam_search import beam_search
from kaleido.tasks.captioning.caption_reader import CachedReader
from kaleido.tasks.captioning.captions import SpecialTokens
from kaleido.tasks.captioning.mask_predict import mask_predict
from kaleido.tasks.captioning.model import Captioner

BEGIN, END, PAD, MASK = 2, 3, 0, 4
PIECES = SpecialTokens(BEGIN, END, PAD, MASK, never=(0, 1, 2, 4), count=50)
SIZES = {"num_layers": 2, "hidden_size": 16, "num_heads": 4, "intermediate_size": 32, "initializer_range": 0.3}
CONFIG = ModelConfig(vocab_size=50, feature_size=6, **SIZES)


@pytest.fixture(scope="module")
def captioner():
    return Captioner(CONFIG, "causal")


@pytest.fixture(scope="module")
def batch():
    return random_batch(3, 12, 50, 6, 12)


class Chain:
    """A reader for which the next piece depends on the last one alone."""

    def __init__(self, table):
        self.table, self.photos = np.asarray(table, np.float32), 1

    def begin(self, captions, length):
        return [ops.zeros((1, captions, 1))]

    def read(self, state, pieces, place):
        return ops.take(self.table, pieces, axis=0), state


class RecomputingReader:
    """A reader that encodes photo and caption again for every token."""

    def __init__(self, captioner, batch):
        self._captioner = captioner
        self._patches = captioner.bert.embed_patches(batch)
        self.photos = self._patches.shape[0]

    def begin(self, captions, length):
        return [ops.zeros((self.photos, captions, length), "int32")]

    def read(self, state, tokens, place):
        photos, captions, length = state[0].shape
        every = ops.where(ops.arange(length) == place, tokens[:, :, None], state[0])
        text = self._captioner.bert.text_embedding(ops.reshape(every, (photos * captions, length)))
        outputs = self._captioner.encode(text, ops.repeat(self._patches, captions, axis=0), None)
        logits = self._captioner.logits(ops.take(outputs, place, axis=1))
        return ops.reshape(logits, (photos, captions, -1)), [every]


def chain(seed, count=8):
    table = np.random.default_rng(seed).normal(size=(count, count)) * 2
    return table, SpecialTokens(BEGIN, END, PAD, MASK, never=(0, 1, 2, 4), count=count)


def said(tokens):
    tokens = np.asarray(tokens).tolist()
    return tokens[1 : tokens.index(END) + 1] if END in tokens else tokens[1:]


@pytest.mark.parametrize("options", [{}, {"beams": 4}, {"beams": 3, "length_penalty": 0.0, "no_repeat_ngram": 2}])
def test_caching_changes_nothing(captioner, batch, options):
    cached = beam_search(CachedReader(captioner, batch), PIECES, 7, **options)
    recomputed = beam_search(RecomputingReader(captioner, batch), PIECES, 7, **options)
    np.testing.assert_array_equal(cached.tokens, recomputed.tokens)
    np.testing.assert_allclose(cached.scores, recomputed.scores, rtol=1e-4)


def test_text_looks_leftwards_and_at_the_photo(captioner, batch):
    before = np.asarray(captioner(batch)["caption"])
    tokens = batch["token_ids"].copy()
    tokens[:, 7] = (tokens[:, 7] + 1) % 50
    changed = np.abs(np.asarray(captioner({**batch, "token_ids": tokens})["caption"]) - before).max(axis=(0, 2))
    np.testing.assert_allclose(changed[:7], 0, atol=1e-5)
    assert (changed[7:] > 1e-3).all()
    other = np.asarray(captioner({**batch, "level5": batch["level5"][::-1]})["caption"])
    assert (np.abs(other - before).max(axis=2)[[0, 2]] > 1e-3).all()


def test_mask_predict_reads_as_in_pretraining(batch):
    captioner, bert = Captioner(CONFIG, "mask_predict"), KaleidoBert(CONFIG, ("mlm",))
    bert.set_weights(captioner.bert.get_weights())
    everywhere = np.tile(np.arange(12, dtype=np.int32), (3, 1))
    expected = bert({**batch, "mlm_positions": everywhere})["mlm"]
    np.testing.assert_allclose(captioner(batch)["caption"], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_one_beam_is_greedy(seed):
    table, pieces = chain(seed)
    found = beam_search(Chain(table), pieces, 7)
    expected = [BEGIN]
    while len(expected) < 7 and expected[-1] != END:
        logits = table[expected[-1]] + pieces.forbidden()
        expected.append(int(np.argmax(np.where((np.arange(8) == END) & (len(expected) == 1), -np.inf, logits))))
    assert said(found.tokens[0]) == expected[1:]


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(2))
def test_enough_beams_find_the_best_caption(seed, penalty):
    table, pieces = chain(seed)
    log_probabilities = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
    ordinary = (5, 6, 7)
    captions = [words for n in range(1, 4) for words in product(ordinary, repeat=n)]
    captions = [(*words, END) for words in captions] + list(product(ordinary, repeat=4))

    def score(caption):
        return sum(log_probabilities[a, b] for a, b in zip((BEGIN, *caption), caption))

    best = max(captions, key=lambda caption: score(caption) / len(caption) ** penalty)
    found = beam_search(Chain(table), pieces, 5, beams=81, length_penalty=penalty)
    assert tuple(said(found.tokens[0])) == best
    np.testing.assert_allclose(found.scores[0], score(best), rtol=1e-4)


@settings(max_examples=12)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3))
def test_no_ngram_occurs_twice(seed, size, beams):
    table, _ = chain(seed, 20)
    table[:, END] = -20
    pieces = SpecialTokens(BEGIN, END, PAD, MASK, never=(0, 1, 2, 4), count=20)
    caption = said(beam_search(Chain(table), pieces, 12, beams=beams, no_repeat_ngram=size).tokens[0])
    ngrams = [tuple(caption[start : start + size]) for start in range(len(caption) - size + 1)]
    assert len(ngrams) == len(set(ngrams))


def test_a_chain_that_may_repeat_itself_does():
    table, pieces = chain(0)
    table[5, 5] = table[BEGIN, 5] = 30
    assert said(beam_search(Chain(table), pieces, 8).tokens[0]) == [5] * 7


def test_mask_predict_predicts_at_once_and_then_changes_pieces_alone(batch):
    captioner = Captioner(CONFIG, "mask_predict")
    once = mask_predict(captioner, batch, PIECES, 12)
    masked = np.where(np.arange(12) == 0, BEGIN, MASK)[None].repeat(3, axis=0).astype(np.int32)
    logits = np.asarray(captioner({**batch, "token_ids": masked, "token_mask": np.ones_like(masked)})["caption"])
    logits = logits + PIECES.forbidden()
    logits[:, 1, END] = -np.inf
    np.testing.assert_array_equal(np.asarray(once.tokens)[:, 1:], logits.argmax(axis=-1)[:, 1:])
    refined = np.asarray(mask_predict(captioner, batch, PIECES, 12, rounds=4).tokens)
    for before, after in zip(np.asarray(once.tokens), refined):
        assert len(said(before)) == len(said(after))
    assert not np.isin(refined[:, 1:], PIECES.never).any()
