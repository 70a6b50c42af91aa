"""Measures how fast pairs of a text and a photo are scored."""

import keras
import numpy as np

from kaleido.bench.machine import calls_per_second
from kaleido.bench.training import random_batch
from kaleido.constants import PATCHES
from kaleido.model.compiled import compiled
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.retrieval.gallery import Gallery
from kaleido.retrieval.pair_scorer import PairScorer

_PHOTOS, _TEXTS = 32, 512


class RandomGallery(Gallery):
    """A gallery of random photos and texts.

    Args:
        config: Sizes of vocabulary and features.
        lengths: Lengths of the texts, int, [CLS] and [SEP] included.
    """

    def __init__(self, config: ModelConfig, lengths: np.ndarray):
        random = np.random.default_rng(0)
        tokens = [random.integers(0, config.vocab_size, length).astype(np.int32) for length in lengths]
        ids = list(map(str, range(max(_PHOTOS, len(tokens)))))
        super().__init__(None, ids[: len(tokens)], ids[:_PHOTOS], np.arange(_PHOTOS), tokens, False)
        self._batch = random_batch(_PHOTOS, 1, config.vocab_size, config.feature_size, 1)

    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values[items] for name, values in self._batch.items() if name.startswith(("level", "positions"))}


def benchmark_scoring(
    config: ModelConfig, text_length: int, mean_tokens: int, batch_size: int, seconds: float
) -> dict[str, float]:
    """Times the scoring of random pairs by a random model.

    Args:
        config: Architecture.
        text_length: Length of the longest text, [CLS] and [SEP] included.
        mean_tokens: Mean length of the texts without these; lengths are Poisson distributed.
        batch_size: Pairs a step.
        seconds: Time to measure for: a third of it on texts that all have the longest length, a third on whole pairs.

    Returns:
        `examples_per_second`; `longest_examples_per_second`, where all texts have the longest length;
        `whole_examples_per_second`, where every pair passes the whole model, padded to the longest length, as in the
        original release, and `speedup`, the first rate over that; `flop_per_example` (matrix products alone) and
        `bytes_per_example` (the weights, read once a batch, and the pair's embeddings) of the first.
    """
    model = KaleidoBert(config, ("itm",))
    drawn = np.clip(2 + np.random.default_rng(0).poisson(mean_tokens, _TEXTS), 3, text_length)
    rates = [
        _rate(PairScorer(model, RandomGallery(config, lengths), batch_size), len(lengths), batch_size, seconds / 3)
        for lengths in (drawn, np.full(_TEXTS, text_length))
    ]
    whole = _whole_rate(model, text_length, batch_size, seconds / 3)
    weights = sum(int(np.prod(variable.shape)) for variable in model.encoder.weights)
    size = 2 if "16" in keras.config.dtype_policy().name else 4
    read = 4 * (drawn.mean() + PATCHES) * config.hidden_size
    return {
        "examples_per_second": rates[0],
        "longest_examples_per_second": rates[1],
        "whole_examples_per_second": whole,
        "speedup": rates[0] / whole,
        "flop_per_example": scoring_flop(config, float(drawn.mean())),
        "bytes_per_example": 4 * weights / batch_size + size * read,
    }


def scoring_flop(config: ModelConfig, text_length: float) -> float:
    """Counts the floating-point operations of the matrix products of one pair.

    The first layer receives precomputed queries, keys and values; the last computes [CLS] alone, whose heads attend to
    the
    positions without projecting them.
    """
    length, hidden = text_length + PATCHES, config.hidden_size
    projections = 6 * hidden**2
    position = 2 * hidden**2 + 4 * hidden * config.intermediate_size + 4 * length * hidden
    last = 2 * hidden**2 + 4 * hidden**2 + 4 * config.num_heads * length * hidden
    last += 2 * hidden**2 + 4 * hidden * config.intermediate_size
    pooler = 2 * hidden**2
    layers = config.num_layers - 1
    return layers * length * position + max(layers - 1, 0) * length * projections + last + pooler


def _rate(scorer: PairScorer, texts: int, batch_size: int, seconds: float) -> float:
    random = np.random.default_rng(0)
    # Several batches at a time, so that texts of one length meet as they do in a catalogue.
    rows = 8 * batch_size

    def score() -> None:
        pairs = random.choice(texts * _PHOTOS, rows, replace=False)
        scorer.scores(pairs // _PHOTOS, pairs % _PHOTOS)

    # The first batch of a length takes longer; for a catalogue it is one of hundreds.
    score()
    return rows * calls_per_second(score, seconds)


def _whole_rate(model: KaleidoBert, text_length: int, batch_size: int, seconds: float) -> float:
    config = model.config
    batch = random_batch(batch_size, text_length, config.vocab_size, config.feature_size, 1)
    score = compiled(model, lambda batch: model(batch)["itm"])
    score(batch)
    return batch_size * calls_per_second(lambda: score(batch), seconds)
