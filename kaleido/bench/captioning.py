"""Measures how fast captions are generated, with and without cached keys and values."""

import keras
import numpy as np

from kaleido.bench.machine import calls_per_second
from kaleido.bench.training import random_batch
from kaleido.constants import PATCHES
from kaleido.model.compiled import compiled
from kaleido.model.config import ModelConfig
from kaleido.tasks.captioning.beam_search import beam_search
from kaleido.tasks.captioning.caption_reader import CachedReader, RecomputingReader
from kaleido.tasks.captioning.captions import SpecialTokens
from kaleido.tasks.captioning.model import Captioner


def benchmark_captioning(config: ModelConfig, batch_size: int, tokens: int, seconds: float) -> dict[str, float]:
    """Times greedy decoding of random photos by a random model; all captions have the same length.

    Args:
        config: Architecture.
        batch_size: Photos per batch.
        tokens: Length of a caption.
        seconds: Time to measure for, half of it without cache.

    Returns:
        `examples_per_second`, `recomputing_examples_per_second` and `speedup`, their quotient;
        `flop_per_example` (matrix products alone) and `bytes_per_example` (the weights, read once a token).
    """
    keras.utils.set_random_seed(0)
    captioner = Captioner(config, "causal")
    # With the end forbidden, all captions have the same length.
    vocabulary = SpecialTokens(begin=1, end=2, pad=0, mask=3, never=(0, 1, 2, 3), count=config.vocab_size)
    batch = random_batch(batch_size, tokens, config.vocab_size, config.feature_size, 1)
    batch = {name: values for name, values in batch.items() if name.startswith(("level", "positions"))}

    def decode(reader):
        return compiled(captioner, lambda photos: beam_search(reader(captioner, photos), vocabulary, tokens + 1).tokens)

    def rate(reader):
        captions = decode(reader)
        captions(batch)
        return batch_size * calls_per_second(lambda: captions(batch), seconds / 2)

    rates = [rate(reader) for reader in (CachedReader, RecomputingReader)]
    parameters = sum(int(np.prod(variable.shape)) for variable in captioner.bert.encoder.weights)
    return {
        "examples_per_second": rates[0],
        "recomputing_examples_per_second": rates[1],
        "speedup": rates[0] / rates[1],
        "flop_per_example": _flop(config, tokens),
        "bytes_per_example": 4 * tokens * (parameters + config.vocab_size * config.hidden_size) / batch_size,
    }


def _flop(config: ModelConfig, tokens: int) -> float:
    hidden = config.hidden_size
    positions = PATCHES + tokens
    attended = PATCHES * PATCHES + tokens * PATCHES + tokens * (tokens + 1) / 2
    layer = positions * (8 * hidden**2 + 4 * hidden * config.intermediate_size) + 4 * hidden * attended
    patches = 2 * PATCHES * (config.feature_size + 5) * hidden
    return config.num_layers * layer + patches + 2 * tokens * hidden * (hidden + config.vocab_size)
