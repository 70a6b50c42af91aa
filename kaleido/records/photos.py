"""The records of a catalogue's photos."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import SPLITS, Photo
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.builder import Reject, Row
from kaleido.records.config import PrepareConfig
from kaleido.records.index import UNLABELLED
from kaleido.records.pairs import no_pairs
from kaleido.text import Tokenizer
from kaleido.vision.features import FeatureExtractor, PhotoFailure

Chunk = Sequence[tuple[int, Photo]]
"""Photos of one file, each with the number of its product in the catalogue."""


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
        self.categories = sorted({product.category for product in catalog.products} - {""})
        self.subcategories = sorted({product.subcategory for product in catalog.products} - {""})
        self._catalog = catalog
        self._splits = splits
        self._extractor = extractor
        self._config = config
        encodings = (tokenizer.encode(product.text) for product in catalog.products)
        kept = slice(config.max_stored_tokens)
        self._texts = [(encoding.ids[kept], encoding.word_ids[kept]) for encoding in encodings]
        self._numbers = self._number_products()

    def chunks(self) -> dict[str, list[Chunk]]:
        """Divides the photos of each split into files, product by product."""
        photos: dict[str, list[tuple[int, Photo]]] = {split: [] for split in SPLITS}
        for number, (product, split) in enumerate(zip(self._catalog.products, self._splits)):
            photos[split].extend((number, photo) for photo in product.photos)
        size = self._config.shard_photos
        return {
            split: [of_split[i * size : (i + 1) * size] for i in range(math.ceil(len(of_split) / size))]
            for split, of_split in photos.items()
            if of_split
        }

    def rows(self, chunk: Chunk, progress: tqdm) -> Iterator[Row | Reject]:
        """Makes the rows of some photos, in order.

        Raises:
            UserError: if a photo is unusable and `on_error` is `stop`.
        """
        results = self._extractor.extract((photo.id, partial(self._catalog.read, photo.uri)) for _, photo in chunk)
        for (number, photo), result in zip(chunk, results, strict=True):
            product = self._catalog.products[number]
            if isinstance(result, PhotoFailure):
                if self._config.on_error == "stop":
                    raise UserError(
                        f"{self._catalog.locate(photo.uri)}, photo of product {product.id}: {result.reason}; repair "
                        "it, or set on_error to skip"
                    )
                yield Reject(product.id, photo.id, photo.uri, result.reason)
            else:
                token_ids, word_ids = self._texts[number]
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
                yield Row(example, self._numbers[number])
            progress.update()

    def _number_products(self) -> list[tuple[int, int, int, int]]:
        """Numbers each product, its text, its category and its sub-category."""
        texts: dict[bytes, int] = {}
        categories = {name: number for number, name in enumerate(self.categories)}
        subcategories = {name: number for number, name in enumerate(self.subcategories)}
        return [
            (
                number,
                texts.setdefault(ids.tobytes(), len(texts)),
                categories.get(product.category, UNLABELLED),
                subcategories.get(product.subcategory, UNLABELLED),
            )
            for number, (product, (ids, _)) in enumerate(zip(self._catalog.products, self._texts))
        ]
