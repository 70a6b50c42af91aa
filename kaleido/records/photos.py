"""The records of a catalogue's photos."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import SPLITS, Product
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.builder import Reject, Row
from kaleido.records.config import SHARD_PHOTOS, PrepareConfig
from kaleido.records.index import UNLABELLED
from kaleido.records.pairs import no_pairs
from kaleido.text import Tokenizer
from kaleido.vision.features import FeatureExtractor, PhotoFailure

Chunk = np.ndarray
"""Photos of one file: int32 [n, 2], the number of its product in the catalogue and its place among the product's."""

_DIGEST = 16
"""Bytes of the checksum by which equal texts are found."""


class PhotoRows:
    """Turns the photos of a catalogue into rows of records.

    Args:
        catalog: Catalogue of the photos and products.
        splits: Split of each product.
        tokenizer: Tokenizer of the texts.
        extractor: Extractor of the vectors.
        config: Configuration of the preparation.

    Attributes:
        categories: Names of the categories, sorted; their places are their numbers.
        subcategories: The same for the sub-categories.
    """

    def __init__(
        self,
        catalog: Catalog,
        splits: Sequence[str],
        tokenizer: Tokenizer,
        extractor: FeatureExtractor,
        config: PrepareConfig,
    ):
        self._catalog = catalog
        self._splits = splits
        self._tokenizer = tokenizer
        self._extractor = extractor
        self._config = config
        # Of each product only numbers are kept: a catalogue may have millions.
        texts, counts = bytearray(), array("i")
        names: tuple[dict[str, int], dict[str, int]] = ({}, {})
        labels = array("i")
        for product in catalog.products:
            ids, _ = self._encode(product)
            texts += hashlib.blake2b(ids.tobytes(), digest_size=_DIGEST).digest()
            counts.append(len(product.photos))
            labels.extend(
                known.setdefault(name, len(known)) if name else UNLABELLED
                for known, name in zip(names, (product.category, product.subcategory))
            )
        self.categories, self.subcategories = map(sorted, names)
        self._photo_counts = np.array(counts, np.int32)
        of_levels = np.array(labels, np.int32).reshape(-1, 2).T
        ranked = [_ranked(of_level, known) for of_level, known in zip(of_levels, names)]
        numbers = np.arange(len(counts))
        self._numbers = np.stack([numbers, _numbered(texts), *ranked], axis=1).astype(np.int32)

    def chunks(self) -> dict[str, list[Chunk]]:
        """Divides the photos of each split into files, product by product."""
        size = self._config.shard_photos or SHARD_PHOTOS
        splits = np.array(self._splits)
        chunks = {}
        for split in SPLITS:
            products = np.flatnonzero(splits == split).astype(np.int32)
            counts = self._photo_counts[products]
            places = np.arange(counts.sum(), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
            photos = np.stack([np.repeat(products, counts), places.astype(np.int32)], axis=1)
            if len(photos):
                chunks[split] = [photos[start : start + size] for start in range(0, len(photos), size)]
        return chunks

    def rows(self, chunk: Chunk, progress: tqdm) -> Iterator[Row | Reject]:
        """Makes the rows of some photos, in order.

        Raises:
            UserError: if a photo is unusable and `on_error` is `stop`.
        """
        products = {number: self._catalog.products[number] for number in np.unique(chunk[:, 0]).tolist()}
        listed = [(number, products[number], products[number].photos[place]) for number, place in chunk.tolist()]
        results = self._extractor.extract((photo.id, partial(self._catalog.read, photo.uri)) for _, _, photo in listed)
        for (number, product, photo), result in zip(listed, results, strict=True):
            if isinstance(result, PhotoFailure):
                if self._config.on_error == "stop":
                    raise UserError(
                        f"{self._catalog.locate(photo.uri)}, photo of product {product.id}: {result.reason}; repair "
                        "it, or set on_error to skip"
                    )
                yield Reject(product.id, photo.id, photo.uri, result.reason)
            else:
                token_ids, word_ids = self._encode(product)
                example = {
                    "product_id": product.id,
                    "photo_id": photo.id,
                    "text": product.text,
                    "category": product.category,
                    "subcategory": product.subcategory,
                    "split": self._splits[number],
                    "token_ids": token_ids,
                    "word_ids": word_ids,
                    "box": result.box,
                    "photo_size": np.array([result.width, result.height], np.int32),
                    "product": result.product,
                    "cells": result.cells,
                    "pairs": asdict(no_pairs()),
                    "positions": result.positions,
                    "features": result.features,
                }
                yield Row(example, tuple(self._numbers[number].tolist()))
            progress.update()

    def _encode(self, product: Product) -> tuple[np.ndarray, np.ndarray]:
        encoding = self._tokenizer.encode(product.text)
        kept = slice(self._config.max_stored_tokens)
        return encoding.ids[kept], encoding.word_ids[kept]


def _ranked(labels: np.ndarray, names: Iterable[str]) -> np.ndarray:
    """Replaces numbers of names in the order in which they occur by those in the order of the alphabet."""
    ranks = {name: rank for rank, name in enumerate(sorted(names))}
    return np.array([*map(ranks.__getitem__, names), UNLABELLED], np.int32)[labels]  # -1 is the last


def _numbered(digests: bytes | bytearray) -> np.ndarray:
    """Numbers digests, equal ones alike, in the order in which they first occur: int64 [n]."""
    values = np.frombuffer(digests, f"V{_DIGEST}")
    _, first, of_value = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[of_value]
