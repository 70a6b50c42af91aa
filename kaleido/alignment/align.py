"""Alignment of a catalogue's records: the Attention-based Alignment Generator (AAG, paper section 3.2) at large."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.alignment.config import AlignConfig, AlignRun
from kaleido.atomic import write_atomically
from kaleido.backend import import_backend
from kaleido.catalog.catalog import Catalog
from kaleido.cluster import Cluster, ClusterConfig, connected
from kaleido.configuration import build_section
from kaleido.errors import UserError
from kaleido.locks import folder_locked
from kaleido.progress import progress_bars, tqdm
from kaleido.records.catalog_columns import catalog_beside, catalog_of
from kaleido.records.description import PHOTOS, grid_of
from kaleido.records.folder import Records
from kaleido.records.pairs import Pairs
from kaleido.records.place import ALIGNER, index_file
from kaleido.records.reader import PhotoRecords

if TYPE_CHECKING:
    from kaleido.alignment.aligner import Aligner
    from kaleido.alignment.product_maps import ProductMaps

REPORT_FILE = "alignment.json"

TASK_BATCHES = 16
"""Batches of photos that one task of a cluster aligns."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """The result of `align`; its text is what the command prints.

    Attributes:
        records: Records of each split, with their pairs.
        aligner: The aligner that made the pairs.
        photos: Number of photos that were aligned now; 0 if the pairs were there already.
        metrics: Numbers of words, pairs and patches of each split, and the quality of the pairs where the catalogue
            knows the places of parts; the content of `alignment.json`.
        table: The metrics in Markdown.
    """

    records: Mapping[str, PhotoRecords]
    aligner: "Aligner"
    photos: int
    metrics: Mapping[str, Any]
    table: str

    def __str__(self) -> str:
        directory = next(iter(self.records.values())).directory
        done = f"pairs of {self.photos:,} photos are in the records" if self.photos else "the pairs were there already"
        return f"{self.table}\n{done}; metrics are in {directory / REPORT_FILE}"


def align(
    records: str | Path | Records,
    *,
    catalog: str | Path | Catalog | None = None,
    config: AlignConfig | str | Path | None = None,
    overwrite: bool = False,
    seed: int = 0,
    progress: bool = True,
    cluster: str | None = None,
    cluster_config: ClusterConfig = ClusterConfig(),
    **options: Any,
) -> Alignment:
    """Finds pairs of words and patches that show the same thing, and writes them into records for guided masking.

    A captioner is trained on the records' own texts, or the one that an earlier call trained is taken. The pairs of a
    split appear whole; an interrupted call begins again with the trained captioner.

    Args:
        records: Folder of records, or its handle.
        catalog: Catalogue of the records, if it is not the folder around them. It is only read to measure pairs of
            words that name parts with known places.
        config: Captioner and rule, or a YAML file with them; the defaults if not given.
        overwrite: Whether pairs that were made otherwise are replaced.
        seed: Seed of the captioner's weights and batches.
        progress: Whether progress bars are shown.
        cluster: Cluster that aligns the photos which the captioner does not learn from: `local`, `auto` or
            `ray://HOST:PORT`; None for this process. The pairs are the same.
        cluster_config: What a task takes there.
        **options: Fields of `AlignConfig`, which win over `config`.

    Raises:
        UserError: if the records are not of photos, have other pairs and `overwrite` is off, `catalog` is not theirs,
            or another process writes the records.
    """
    required = {"records": str(records), "seed": seed}
    config = build_section(AlignRun, "align_config", config, options, required)
    import_backend()
    records = Records.of(records)
    with (
        folder_locked(records.directory),
        progress_bars(progress),
        connected(cluster, cluster_config) as nodes,
    ):
        # Opened again, as another process may have written pairs since.
        return align_records(Records(records.directory), catalog, config, overwrite, seed, nodes)


def align_records(
    records: Records,
    catalog: str | Path | Catalog | None,
    config: AlignConfig,
    overwrite: bool = False,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Alignment:
    """Aligns records that this process has locked, as `align` does."""
    from kaleido.alignment.report import alignment_report

    if records.kind != PHOTOS:
        raise UserError(f"{records.directory}: these are records of {records.kind}; align takes those of a catalogue")
    splits = {"train": records.open("train")} | {split: records.open(split) for split in records.splits}
    source = catalog_of(splits["train"], catalog) if catalog else catalog_beside(splits["train"])
    aligner, aligned = _align(records, splits, config, seed, overwrite, cluster)
    splits = {split: Records(records.directory).open(split) for split in splits} if aligned else splits
    metrics, table = alignment_report(splits, aligner, source)
    write_atomically(records.directory / REPORT_FILE, json.dumps(metrics, indent=1).encode() + b"\n")
    return Alignment(splits, aligner, aligned, metrics, table)


def _align(
    records: Records,
    splits: Mapping[str, PhotoRecords],
    config: AlignConfig,
    seed: int,
    overwrite: bool,
    cluster: Cluster | None,
) -> tuple["Aligner", int]:
    """Writes the pairs where they are missing; gives the aligner and the number of photos that were aligned."""
    from kaleido.alignment.aligner import Aligner
    from kaleido.alignment.product_maps import ProductMaps

    directory, metadata = records.directory, records.metadata
    wanted = json.loads(json.dumps({"seed": seed, "align_config": asdict(config)}))
    made = {"catalog": metadata.get("catalog"), "prepare": metadata.get("config"), **wanted}
    there = metadata.get("alignment")
    tokenizer = splits["train"].read_tokenizer()
    for of_split in splits.values():
        of_split.check_tokens(tokenizer)
    aligner = Aligner.load(directory / ALIGNER, tokenizer, made)
    if there == wanted and aligner:
        return aligner, 0
    if there and there != wanted and not overwrite:
        raise UserError(f"{directory}: has pairs that were made otherwise; replace them with --overwrite true")
    maps = ProductMaps(metadata)
    learned: dict[str, Mapping[str, np.ndarray]] = {}
    if not aligner:
        train = splits["train"]
        learned["train"] = _sample(maps, train, config.photos, seed)
        aligner = Aligner.train(tokenizer, train, learned["train"], config, seed)
        aligner.save(directory / ALIGNER, made)
    indices = {}
    for split, of_split in splits.items():
        given, rest = learned.get(split), np.arange(len(of_split))
        pairs: dict[int, Pairs] = {}
        if given:
            # The maps of those that the captioner learned from are not computed again.
            rest = np.setdiff1d(rest, given["rows"])
            starts = range(0, len(given["rows"]), maps.BATCH)
            parts = (tuple(given[n][i : i + maps.BATCH] for n in ("rows", "maps", "product")) for i in starts)
            pairs |= _pairs(aligner, of_split, parts)
        if cluster:
            pairs |= _pairs_on_cluster(cluster, directory, made, split, rest)
        elif len(rest):
            pairs |= _pairs(aligner, of_split, maps.of_records(of_split, rest, f"align {split}"))
        indices[split] = of_split.index.with_pairs([pairs[row] for row in range(len(of_split))])
    for split, index in indices.items():
        index.save(directory / index_file(split))
    content = json.dumps({**metadata, "alignment": wanted}, indent=1).encode()
    write_atomically(directory / "metadata.json", content)
    return aligner, len(records)


def _sample(maps: "ProductMaps", records: PhotoRecords, photos: int, seed: int) -> dict[str, np.ndarray]:
    """Computes the maps of some training photos, as `Aligner.train` takes them."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(records))[:photos])
    found: dict[str, np.ndarray] = {"rows": rows}
    at = 0
    for portion, features, product in maps.of_records(records, rows, "encode photos to learn from"):
        if not at:
            found["maps"] = np.empty((len(rows), *features.shape[1:]), np.float16)
            found["product"] = np.empty((len(rows), product.shape[1]), np.float32)
        found["maps"][at : at + len(portion)], found["product"][at : at + len(portion)] = features, product
        at += len(portion)
    return found


def _pairs(
    aligner: "Aligner", records: PhotoRecords, parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> dict[int, Pairs]:
    """Aligns records by portions of their rows, maps and product cells; gives the pairs of each row."""
    from kaleido.alignment.aligner import texts_of

    pairs: dict[int, Pairs] = {}
    for rows, features, product in parts:
        found = aligner.align(texts_of(records, rows), features, product, grid_of(records.metadata))
        pairs |= zip(rows.tolist(), found, strict=True)
    return pairs


@dataclass
class Job:
    """A split that the nodes of a cluster align; what they open of it is opened once in a process.

    Attributes:
        directory: Folder of the records, in which the caller has saved the aligner.
        made: What the aligner was made from.
        split: The split.
    """

    directory: Path
    made: Mapping[str, Any]
    split: str

    @cached_property
    def records(self) -> PhotoRecords:
        records = Records(self.directory).open(self.split)
        assert isinstance(records, PhotoRecords)  # as the caller has found
        return records

    @cached_property
    def maps(self) -> "ProductMaps":
        from kaleido.alignment.product_maps import ProductMaps

        return ProductMaps(self.records.metadata)

    @cached_property
    def aligner(self) -> "Aligner":
        from kaleido.alignment.aligner import Aligner

        aligner = Aligner.load(self.directory / ALIGNER, self.records.read_tokenizer(), self.made)
        if aligner is None:
            raise UserError(
                f"{self.directory / ALIGNER}: not the aligner that the command has saved; the records must be on a "
                "disk that all nodes share under the same path"
            )
        return aligner


def _pairs_on_cluster(
    cluster: Cluster, directory: Path, made: Mapping[str, Any], split: str, rows: np.ndarray
) -> dict[int, Pairs]:
    """Aligns rows of a split on the nodes of a cluster, in the batches that one process makes of them."""
    from kaleido.alignment.product_maps import ProductMaps

    size = TASK_BATCHES * ProductMaps.BATCH
    parts = (rows[start : start + size] for start in range(0, len(rows), size))
    pairs: dict[int, Pairs] = {}
    with tqdm(total=len(rows), desc=f"align {split}", unit="photo") as progress:
        for found in cluster.map(_align_here, Job(directory.absolute(), made, split), parts):
            pairs |= found
            progress.update(len(found))
    return pairs


def _align_here(job: Job, rows: np.ndarray) -> dict[int, Pairs]:
    """Aligns rows on the node that this is called on."""
    with progress_bars(False):
        return _pairs(job.aligner, job.records, job.maps.of_records(job.records, rows, ""))
