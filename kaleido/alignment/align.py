"""Alignment of a catalogue's records: the Attention-based Alignment Generator (AAG, paper section 3.2) at large."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kaleido.alignment.aligner import FOLDER, Aligner, texts_of
from kaleido.alignment.product_maps import ProductMaps
from kaleido.alignment.run_config import AlignRun
from kaleido.atomic import write_atomically
from kaleido.catalog.product import SPLITS
from kaleido.errors import UserError
from kaleido.records.catalog_columns import catalog_of
from kaleido.records.pairs import Pairs
from kaleido.records.place import index_file
from kaleido.records.reader import PHOTOS, PhotoRecords, grid_of, kind_of, read_description
from kaleido.text import load_tokenizer


@dataclass(frozen=True, slots=True)
class Alignment:
    """What `align` came to.

    Attributes:
        records: Of each split, with their pairs.
        aligner: That made them.
        photos: How many were aligned now; 0 where the pairs were there already.
    """

    records: Mapping[str, PhotoRecords]
    aligner: Aligner
    photos: int


def align(run: AlignRun) -> Alignment:
    """Trains the aligner, or takes the one that is there, and writes the pairs of all splits into the records.

    The pairs of a split appear whole; an interrupted run begins again with the trained aligner.

    Raises:
        UserError: if the records are not of a catalogue that is there, or have other pairs and `overwrite` is off.
    """
    directory = Path(run.records)
    metadata, lengths = read_description(directory)
    if kind_of(metadata) != PHOTOS:
        raise UserError(f"{directory}: these are records of {kind_of(metadata)}; align takes those of a catalogue")
    records = {split: PhotoRecords.open(directory, split) for split in SPLITS if sum(lengths.get(split, ()))}
    tokenizer = load_tokenizer(directory)
    made = {"catalog": metadata["catalog"], "prepare": metadata["config"], "seed": run.seed}
    made |= {"align_config": asdict(run.align_config)}
    made = json.loads(json.dumps(made))
    wanted = {"seed": run.seed, "align_config": made["align_config"]}
    there = metadata.get("alignment")
    aligner = Aligner.load(directory / FOLDER, tokenizer, made)
    if there == wanted and aligner:
        return Alignment(records, aligner, 0)
    if there and there != wanted and not run.overwrite:
        raise UserError(f"{directory}: has pairs that were made otherwise; replace them with --overwrite true")
    maps = ProductMaps(catalog_of(records["train"], run.catalog), metadata)
    if not aligner:
        aligner = Aligner.train(
            tokenizer, records["train"], _sample(maps, records["train"], run), run.align_config, run.seed
        )
        aligner.save(directory / FOLDER, made)
    indices = {split: of_split.index.with_pairs(_pairs(aligner, maps, of_split)) for split, of_split in records.items()}
    for split, index in indices.items():
        index.save(directory / index_file(split))
    content = json.dumps({**metadata, "alignment": wanted}, indent=1).encode()
    write_atomically(directory / "metadata.json", content)
    aligned = {split: PhotoRecords.open(directory, split) for split in records}
    return Alignment(aligned, aligner, sum(map(len, aligned.values())))


def _sample(maps: ProductMaps, records: PhotoRecords, run: AlignRun) -> dict[str, np.ndarray]:
    """Maps of some training photos."""
    random = np.random.default_rng(run.seed)
    rows = np.sort(random.permutation(len(records))[: run.align_config.photos])
    found = {"rows": rows, "product": np.zeros((len(rows), 0), np.float32)}
    at = 0
    for portion, features, product in maps.of_records(records, rows, "encode photos to learn from"):
        if not at:
            found["maps"] = np.empty((len(rows), *features.shape[1:]), np.float16)
            found["product"] = np.empty((len(rows), product.shape[1]), np.float32)
        found["maps"][at : at + len(portion)], found["product"][at : at + len(portion)] = features, product
        at += len(portion)
    return found


def _pairs(aligner: Aligner, maps: ProductMaps, records: PhotoRecords) -> list[Pairs]:
    pairs: list[Pairs] = []
    rows = np.arange(len(records))
    for portion, features, product in maps.of_records(records, rows, f"align {records.split}"):
        pairs += aligner.align(texts_of(records, portion), features, product, grid_of(records.metadata))
    return pairs
