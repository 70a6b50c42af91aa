"""Measures how fast captions are generated, by greedy decoding and by beam search."""

import keras
import numpy as np

from kaleido.bench.machine import calls_per_second
from kaleido.bench.training import random_batch
from kaleido.compiled import compiled
from kaleido.constants import PATCHES
from kaleido.model.config import ModelConfig
from kaleido.tasks.captioning.beam_search import beam_search
from kaleido.tasks.captioning.caption_reader import CachedReader
from kaleido.tasks.captioning.captions import SpecialTokens
from kaleido.tasks.captioning.model import Captioner

BEAMS = 4
"""Beams of beam search: the default of `caption_config.beams`."""


def benchmark_captioning(config: ModelConfig, batch_size: int, tokens: int, seconds: float) -> dict[str, float]:
    """Times the captioning of random photos by a random model; all captions have the same length.

    Args:
        config: Architecture.
        batch_size: Captions that are decoded together: as many photos in greedy decoding, a `BEAMS`-th in beam search.
        tokens: Length of a caption.
        seconds: Time to measure for, half of it for beam search; of each at least one batch is timed, and one before to
            warm up.

    Returns:
        `examples_per_second`, photos in greedy decoding, and `beam_examples_per_second`; beside each the
        `flop_per_example` (matrix products alone), and `bytes_per_example` of the first (the weights, read once a
        token).
    """
    keras.utils.set_random_seed(0)
    captioner = Captioner(config, "causal")
    # With the end forbidden, all captions have the same length.
    vocabulary = SpecialTokens(begin=1, end=2, pad=0, mask=3, never=(0, 1, 2, 3), count=config.vocab_size)

    def rate(beams: int) -> float:
        photos = max(1, batch_size // beams)
        batch = random_batch(photos, tokens, config.vocab_size, config.feature_size, 1)
        batch = {name: values for name, values in batch.items() if name.startswith(("level", "positions"))}

        def decode(batch):
            return beam_search(CachedReader(captioner, batch), vocabulary, tokens + 1, beams).tokens

        captions = compiled(captioner, decode)
        captions(batch)
        return photos * calls_per_second(lambda: captions(batch), seconds / 2)

    parameters = sum(int(np.prod(variable.shape)) for variable in captioner.bert.encoder.weights)
    return {
        "examples_per_second": rate(1),
        "flop_per_example": caption_flop(config, tokens),
        "bytes_per_example": 4 * tokens * (parameters + config.vocab_size * config.hidden_size) / batch_size,
        "beam_examples_per_second": rate(BEAMS),
        "beam_flop_per_example": caption_flop(config, tokens, BEAMS),
    }


def caption_flop(config: ModelConfig, tokens: int, beams: int = 1) -> float:
    """Counts the floating-point operations of the matrix products of one photo's captions."""
    hidden = config.hidden_size
    positions = PATCHES + beams * tokens
    attended = PATCHES * PATCHES + beams * (tokens * PATCHES + tokens * (tokens + 1) / 2)
    layer = positions * (8 * hidden**2 + 4 * hidden * config.intermediate_size) + 4 * hidden * attended
    patches = 2 * PATCHES * (config.feature_size + 5) * hidden
    return config.num_layers * layer + patches + 2 * beams * tokens * hidden * (hidden + config.vocab_size)
