"""Preparation: from a catalogue to records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import SPLITS
from kaleido.cluster import Cluster, ClusterConfig, connected
from kaleido.configuration import build_section
from kaleido.errors import UserError
from kaleido.pictures import MAX_MEGAPIXELS
from kaleido.progress import progress_bars, tqdm
from kaleido.records.builder import KaleidoRecords, Portion
from kaleido.records.config import RUNTIME_KEYS, PrepareConfig, PrepareRun, shard_photos_of
from kaleido.records.extractor import create_extractor
from kaleido.records.folder import Records
from kaleido.records.layout import RecordLayout
from kaleido.records.making import Source, Summary, make_records
from kaleido.records.patch_sheet import write_patch_sheet
from kaleido.records.photos import PhotoRows
from kaleido.records.shard import Shard
from kaleido.records.splits import assign_splits, unseen_labels_of
from kaleido.records.work_folder import WorkFolder
from kaleido.text import Tokenizer, create_tokenizer


def prepare(
    catalog: str | Path | Catalog,
    out: str | Path,
    *,
    config: PrepareConfig | str | Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
    cluster: str | None = None,
    cluster_config: ClusterConfig = ClusterConfig(),
    **options: Any,
) -> Records:
    """Turns a catalogue into records: product boxes, kaleido patches, their features, and token ids.

    An interrupted call is continued by the same call; where everything is made already, nothing is done. The same
    catalogue and configuration give the same bytes, however often a preparation is interrupted and whatever is left to
    shards, as far as the backbone computes the same on every host.

    Args:
        catalog: A catalogue, or its folder.
        out: Folder of the records to write, with the vocabulary beside them.
        config: How records are made, or a YAML file that says so; the defaults if not given.
        overwrite: Whether records of another catalogue or configuration are replaced.
        progress: Whether progress bars are shown.
        cluster: Cluster that makes the files: `local`, `auto` or `ray://HOST:PORT`; None for this process.
        cluster_config: What a task takes there.
        **options: Fields of `PrepareConfig`, which win over `config`.

    Returns:
        The records; `summary` tells what was made.

    Raises:
        UserError: if a photo is unusable and `on_error` is `stop`, the catalogue cannot be used, or `out` holds
            something else.
    """
    catalog, config = _arguments(catalog, out, config, options)
    with progress_bars(progress):
        with connected(cluster, cluster_config) as nodes:
            summary = make_catalog_records(catalog, Path(out), config, overwrite, cluster=nodes)
        records = Records(out)
        records.summary = replace(
            summary,
            unseen_labels=unseen_labels_of(catalog.products, config),
            products=records.metadata["products"],
            sheet=write_patch_sheet(catalog, records),
        )
    return records


def prepare_shard(
    catalog: str | Path | Catalog,
    out: str | Path,
    shard: str | Shard,
    *,
    config: PrepareConfig | str | Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **options: Any,
) -> Summary:
    """Makes one host's share of the records; `prepare` then makes what is missing and completes them.

    Args:
        catalog: A catalogue, or its folder.
        out: Folder of the records; the share waits in `OUT.partial`.
        shard: Share i of n, written `i/n` and counted from 1.
        config: As for `prepare`; the same for all shares.
        overwrite: Refused, because it would remove what the other shares make.
        progress: Whether progress bars are shown.
        **options: Fields of `PrepareConfig`, which win over `config`.

    Returns:
        What was made, and how many files other shares have still to make.

    Raises:
        UserError: as `prepare`.
    """
    shard = Shard.parse(shard) if isinstance(shard, str) else shard
    catalog, config = _arguments(catalog, out, config, options)
    with progress_bars(progress):
        return make_catalog_records(catalog, Path(out), config, overwrite, shard)


def _arguments(catalog, out, config, options) -> tuple[Catalog, PrepareConfig]:
    config = build_section(PrepareRun, "prepare_config", config, options, {"catalog": "", "out": str(out)})
    return Catalog.open(catalog) if isinstance(catalog, str | Path) else catalog, config


def make_catalog_records(
    catalog: Catalog,
    directory: Path,
    config: PrepareConfig,
    overwrite: bool = False,
    shard: Shard | None = None,
    cluster: Cluster | None = None,
) -> Summary:
    """Makes the records of a catalogue, or those of one shard, as `make_records` does."""
    return make_records(CatalogSource(catalog, config), directory, overwrite, shard, cluster)


class CatalogSource(Source):
    """The photos and texts of a catalogue, as `make_records` takes them.

    Args:
        catalog: The catalogue.
        config: How records are made of it.
    """

    progress = {"unit": "photo"}

    def __init__(self, catalog: Catalog, config: PrepareConfig):
        self._catalog = catalog
        # What is chosen is part of the plan, and 512 as in records that were made before there was a choice.
        self._config = replace(config, shard_photos=config.shard_photos or shard_photos_of(catalog.photo_count))

    def __reduce__(self):
        # By its place: a process on another host opens the catalogue itself.
        return _open_source, (self._catalog.directory.absolute(), self._config)

    @cached_property
    def plan(self) -> dict[str, Any]:
        kept = {key: value for key, value in asdict(self._config).items() if key not in RUNTIME_KEYS}
        # As records that were made before there was a choice.
        for key, only in (("max_megapixels", MAX_MEGAPIXELS), ("precision", "float32")):
            if kept[key] == only:
                del kept[key]
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
        texts = (product.text for product, split in zip(self._catalog.products, self._splits) if split == "train")
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


def _open_source(catalog: Path, config: PrepareConfig) -> CatalogSource:
    return CatalogSource(Catalog.open(catalog), config)
