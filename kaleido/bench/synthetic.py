"""Records of random content, to measure and to test with."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from kaleido.alignment.rule import FIRST_PATCH
from kaleido.constants import PATCHES
from kaleido.records.builder import KaleidoRecords, Portion, Row
from kaleido.records.layout import RecordLayout
from kaleido.records.pairs import Pairs
from kaleido.vision.crops import FEATURES
from kaleido.vision.product import GRID, encode_product

_PICTURE = encode_product(np.full((100, 100, 3), 128, np.uint8), (0, 0, 100, 100))


def write_synthetic(
    directory: Path,
    feature_size: int,
    splits: dict[str, int],
    photos_a_product: int = 2,
    shard_photos: int = 256,
    vocabulary_size: int = 1000,
    longest_text: int = 80,
    seed: int = 0,
    pairs_a_photo: int = 0,
) -> None:
    """Writes records of random features and texts.

    Args:
        directory: Folder to write; must not exist yet.
        feature_size: Length D of a feature vector.
        splits: Photos of each split.
        photos_a_product: Photos that share product and text.
        shard_photos: Photos a file.
        vocabulary_size: Number of tokens; ids of texts are drawn from 5 on.
        longest_text: Tokens of a text at most.
        seed: Seed of the content.
        pairs_a_photo: Aligned words and patches, drawn at random.
    """
    metadata = {
        "feature_size": feature_size,
        "backbone": "random",
        "categories": [f"category {i}" for i in range(5)],
        "subcategories": [f"subcategory {i}" for i in range(10)],
    }

    def rows(split: str, first: int, photos: range) -> Iterator[Row]:
        for photo in photos:
            product = first + photo // photos_a_product
            words = np.random.default_rng((seed, product))
            pixels = np.random.default_rng((seed, product, photo))
            length = int(words.integers(1, longest_text + 1))
            label = product % 10
            word_ids = np.cumsum(words.random(length) < 0.7).astype(np.int32)
            example = {
                "product_id": f"product-{product}",
                "photo_id": f"photo-{first}-{photo}",
                "text": f"text of product {product}",
                "category": metadata["categories"][label // 2],
                "subcategory": metadata["subcategories"][label],
                "split": split,
                "token_ids": words.integers(5, vocabulary_size, length, np.int32),
                "word_ids": word_ids,
                "box": np.array([0, 0, 100, 100], np.int32),
                "photo_size": np.array([100, 100], np.int32),
                "product": _PICTURE,
                "cells": np.full((GRID, GRID), 255, np.uint8),
                "pairs": asdict(_random_pairs(pixels, word_ids, pairs_a_photo)),
                "positions": pixels.random((PATCHES, 5), np.float32),
                "features": pixels.random((FEATURES, feature_size), np.float32).astype(np.float16),
            }
            yield Row(example, (product, product, label // 2, label))

    portions, first = {}, 0
    for split, photos in splits.items():
        files = [range(photos)[start : start + shard_photos] for start in range(0, photos, shard_photos)]
        portions[split] = [Portion(len(of_file), partial(rows, split, first, of_file)) for of_file in files]
        first += -(-photos // photos_a_product)
    KaleidoRecords(directory, RecordLayout(feature_size), metadata, portions).download_and_prepare()


def _random_pairs(random: np.random.Generator, word_ids: np.ndarray, count: int) -> Pairs:
    """Draws words with two patches each, like those of alignment."""
    words = np.repeat(random.choice(word_ids, -(-count // 2)), 2)[:count]
    patches = random.integers(FIRST_PATCH, PATCHES, count)
    return Pairs(words.astype(np.int32), patches.astype(np.int32), np.ones(count, np.float32))
