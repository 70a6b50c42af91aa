"""How fast (text, photo) pairs are scored here."""

import time

import keras
import numpy as np

from kaleido.app.benchmark import random_batch
from kaleido.app.pair_scorer import PairScorer
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.tasks import PATCHES
from kaleido.records.gallery import Gallery

_PHOTOS, _TEXTS = 32, 512


class RandomGallery(Gallery):
    """Random photos and texts.

    Args:
        config: Sizes of vocabulary and features.
        lengths: int, of the texts, [CLS] and [SEP] included.
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
    config: ModelConfig, text_length: int, mean_pieces: int, batch_size: int, seconds: float
) -> dict[str, float]:
    """Times the scoring of random pairs by a random model.

    Args:
        config: Architecture.
        text_length: The longest text, [CLS] and [SEP] included.
        mean_pieces: Of the texts without these; lengths are Poisson distributed.
        batch_size: Pairs a step.
        seconds: Time to measure for, half of it on texts that all have the longest length.

    Returns:
        `examples_per_second`; `longest_examples_per_second`, of texts of the longest length; `flop_per_example` (matrix
        products alone) and `bytes_per_example` (the weights, read once a batch, and the pair's embeddings) of the
        former.
    """
    model = KaleidoBert(config, ("itm",))
    drawn = np.clip(2 + np.random.default_rng(0).poisson(mean_pieces, _TEXTS), 3, text_length)
    rates = [
        _rate(PairScorer(model, RandomGallery(config, lengths), batch_size), len(lengths), batch_size, seconds / 2)
        for lengths in (drawn, np.full(_TEXTS, text_length))
    ]
    weights = sum(int(np.prod(variable.shape)) for variable in model.encoder.weights)
    size = 2 if "16" in keras.config.dtype_policy().name else 4
    embedded = (drawn.mean() + PATCHES) * config.hidden_size
    return {
        "examples_per_second": rates[0],
        "longest_examples_per_second": rates[1],
        "flop_per_example": scoring_flop(config, float(drawn.mean())),
        "bytes_per_example": 4 * weights / batch_size + size * embedded,
    }


def scoring_flop(config: ModelConfig, text_length: float) -> float:
    """Floating-point operations of the matrix products of one pair: the last layer computes [CLS] alone."""
    length, hidden = text_length + PATCHES, config.hidden_size
    keys = 4 * hidden**2
    position = 4 * hidden**2 + 4 * hidden * config.intermediate_size + 4 * length * hidden
    pooler = 2 * hidden**2
    return (config.num_layers - 1) * length * (keys + position) + length * keys + position + pooler


def _rate(scorer: PairScorer, texts: int, batch_size: int, seconds: float) -> float:
    random = np.random.default_rng(0)
    scorer.rate()
    # Several batches at a time, so that texts of one length meet as they do in a catalogue.
    rows = 8 * batch_size
    begun, done = time.monotonic(), 0
    while done == 0 or time.monotonic() - begun < seconds:
        pairs = random.choice(texts * _PHOTOS, rows, replace=False)
        scorer.scores(pairs // _PHOTOS, pairs % _PHOTOS)
        done += rows
    return done / (time.monotonic() - begun)
