"""From a catalogue to records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import SPLITS
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.builder import KaleidoRecords, Portion
from kaleido.records.config import RUNTIME_KEYS, PrepareConfig
from kaleido.records.extractor import create_extractor
from kaleido.records.layout import RecordLayout
from kaleido.records.making import Source, Summary, make_records
from kaleido.records.photos import PhotoRows
from kaleido.records.shard import Shard
from kaleido.records.splits import assign_splits
from kaleido.records.work_folder import WorkFolder
from kaleido.text import Tokenizer, create_tokenizer


def prepare(
    catalog: Catalog, directory: Path, config: PrepareConfig, overwrite: bool = False, shard: Shard | None = None
) -> Summary:
    """Makes the records of a catalogue, or goes on where an interrupted run stopped, or finds them made.

    The same catalogue and configuration give the same bytes, however often a run is interrupted and whatever is left
    to shards, as far as the backbone computes the same on every host.

    Args:
        catalog: Whose photos and texts to take.
        directory: Where the records go; see `make_records`.
        config: How to make them.
        overwrite: Whether records of another catalogue or configuration are replaced.
        shard: See `make_records`.

    Returns:
        What lies in `directory`; with a shard that is not the last step, what it made.

    Raises:
        UserError: if a photo is unusable and `on_error` is `stop`, or as `make_records` does.
    """
    return make_records(CatalogSource(catalog, config), directory, overwrite, shard)


class CatalogSource(Source):
    """The photos and texts of a catalogue, as `make_records` takes them.

    Args:
        catalog: Whose.
        config: How to make records of them.
    """

    progress = {"unit": "photo"}

    def __init__(self, catalog: Catalog, config: PrepareConfig):
        self._catalog = catalog
        self._config = config

    @cached_property
    def plan(self) -> dict[str, Any]:
        kept = {key: value for key, value in asdict(self._config).items() if key not in RUNTIME_KEYS}
        plan = {"config": kept, "catalog": {"name": self._catalog.name, "fingerprint": self._catalog.fingerprint}}
        return json.loads(json.dumps(plan)) | {"version": str(KaleidoRecords.VERSION)}

    def open(self) -> None:
        config = self._config
        self._splits = assign_splits(
            self._catalog.products, config.validation_fraction, config.test_fraction, config.seed
        )
        if "train" not in self._splits:
            raise UserError(
                f"{self._catalog.name}: no product is left to train on; lower validation_fraction and test_fraction, "
                f"or mark products `train`. Received: {config.validation_fraction} and {config.test_fraction}"
            )
        self._extractor = create_extractor(config)

    def create_tokenizer(self) -> Tokenizer:
        texts = [product.text for product, split in zip(self._catalog.products, self._splits) if split == "train"]
        return create_tokenizer(self._config.vocabulary, texts, self._config.vocabulary_size)

    def portions(
        self, work: WorkFolder, progress: tqdm
    ) -> tuple[RecordLayout, Mapping[str, Any], Mapping[str, Sequence[Portion]]]:
        feature_size = self._extractor.backbone.feature_size
        photos = PhotoRows(self._catalog, self._splits, work.tokenizer, self._extractor, self._config)
        metadata = {
            "backbone": self._config.backbone,
            "feature_size": feature_size,
            "categories": photos.categories,
            "subcategories": photos.subcategories,
            "products": {split: self._splits.count(split) for split in SPLITS if split in self._splits},
        }
        portions = {
            split: [Portion(len(chunk), partial(photos.rows, chunk, progress)) for chunk in chunks]
            for split, chunks in photos.chunks().items()
        }
        return RecordLayout(feature_size), metadata, portions
