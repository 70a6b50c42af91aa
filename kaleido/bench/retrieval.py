"""Measures how fast pairs of a text and a photo are scored, embedded and classified."""

import keras
import numpy as np

from kaleido.app.signatures import EMBED, bert_signatures
from kaleido.bench.machine import calls_per_second
from kaleido.bench.training import forward_flop, random_batch
from kaleido.compiled import compiled
from kaleido.constants import PATCHES
from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.retrieval.gallery import Gallery
from kaleido.retrieval.pair_scorer import PairScorer
from kaleido.tasks.classification.model import Classifier

_PHOTOS, _TEXTS = 32, 512

CLASSES = 48
"""Number of classes of `classification`; it hardly matters."""


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
    """Times the scoring of random pairs by a random model, and whole examples through it.

    Args:
        config: Architecture.
        text_length: Length of the longest text, [CLS] and [SEP] included.
        mean_tokens: Mean length of the texts without these; lengths are Poisson distributed.
        batch_size: Pairs or examples a step.
        seconds: Time to measure for, a quarter of it for each rate; of each at least one batch is timed, and one run
            before to warm up.

    Returns:
        `examples_per_second` of pairs, `longest_examples_per_second`, where all texts have the longest length,
        `embedding_examples_per_second` and `classification_examples_per_second`, of photos with texts of the longest
        length; beside each the `flop_per_example` (matrix products alone), and `bytes_per_example` of the first (the
        weights, read once a batch, and the pair's embeddings).
    """
    model = KaleidoBert(config, ("itm",))
    classifier = Classifier(config, "category", CLASSES)
    drawn = np.clip(2 + np.random.default_rng(0).poisson(mean_tokens, _TEXTS), 3, text_length)
    rates = [
        PairScorer(model, RandomGallery(config, lengths), batch_size).rate(seconds / 4)
        for lengths in (drawn, np.full(_TEXTS, text_length))
    ]
    batch = random_batch(batch_size, text_length, config.vocab_size, config.feature_size, 1)
    for network, outputs in ((model, bert_signatures(model)[EMBED].function), (classifier, classifier)):
        run = compiled(network, outputs)
        run(batch)
        rates.append(batch_size * calls_per_second(lambda run=run: run(batch), seconds / 4))
    weights = sum(int(np.prod(variable.shape)) for variable in model.encoder.weights)
    size = 2 if "16" in keras.config.dtype_policy().name else 4
    read = 4 * (drawn.mean() + PATCHES) * config.hidden_size
    # Without the heads that reconstruct five patches.
    whole = forward_flop(config, text_length, 0) - 2 * 5 * config.hidden_size * config.feature_size
    return {
        "examples_per_second": rates[0],
        "flop_per_example": scoring_flop(config, float(drawn.mean())),
        "bytes_per_example": 4 * weights / batch_size + size * read,
        "longest_examples_per_second": rates[1],
        "longest_flop_per_example": scoring_flop(config, text_length),
        "embedding_examples_per_second": rates[2],
        "embedding_flop_per_example": whole,
        "classification_examples_per_second": rates[3],
        "classification_flop_per_example": whole + 2 * config.hidden_size * CLASSES,
    }


def scoring_flop(config: ModelConfig, text_length: float) -> float:
    """Counts the floating-point operations of the matrix products of one pair.

    The first layer receives the photo's queries, keys and values; the last computes [CLS] alone, whose heads attend to
    the positions without projecting them.
    """
    length, hidden = text_length + PATCHES, config.hidden_size
    projections = 6 * hidden**2
    position = 2 * hidden**2 + 4 * hidden * config.intermediate_size + 4 * length * hidden
    last = 2 * hidden**2 + 4 * hidden**2 + 4 * config.num_heads * length * hidden
    last += 2 * hidden**2 + 4 * hidden * config.intermediate_size
    pooler = 2 * hidden**2
    layers = config.num_layers - 1
    of_text = text_length * projections
    return layers * length * position + max(layers - 1, 0) * length * projections + of_text + last + pooler
