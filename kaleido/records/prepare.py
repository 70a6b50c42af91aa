"""From a catalogue to records."""

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from tqdm import tqdm

from kaleido.atomic import write_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import SPLITS
from kaleido.errors import UserError
from kaleido.records.builder import REJECTS_FILE, KaleidoRecords, index_file, partial_directory
from kaleido.records.config import RUNTIME_KEYS, PrepareConfig
from kaleido.records.layout import RecordLayout
from kaleido.records.photos import PhotoRows, create_extractor
from kaleido.records.splits import assign_splits
from kaleido.text import Tokenizer, create_tokenizer, load_tokenizer

_BEGUN_FILE = "begun.json"


@dataclass(frozen=True, slots=True)
class Summary:
    """What lies in a folder of records.

    Attributes:
        directory: The folder.
        photos: Records of each split.
        rejected: Photos that gave no record; `rejects.jsonl` lists them.
        seconds: Time it took, 0 where everything was there.
    """

    directory: Path
    photos: dict[str, int]
    rejected: int
    seconds: float


def prepare(catalog: Catalog, directory: Path, config: PrepareConfig, overwrite: bool = False) -> Summary:
    """Makes the records of a catalogue, or goes on where an interrupted run stopped, or finds them made.

    The same catalogue and configuration give the same bytes, however often a run is interrupted.

    Args:
        catalog: Whose photos and texts to take.
        directory: Where the records go, with the vocabulary and the index beside them.
        config: How to make them.
        overwrite: Whether records of another catalogue or configuration are replaced.

    Raises:
        UserError: if a photo is unusable and `on_error` is `stop`, or if `directory` holds something else.
    """
    started = time.monotonic()
    directory = Path(directory)
    plan = _plan(catalog, config)
    if overwrite and _holds_records(directory):
        shutil.rmtree(directory)
    if _is_made(directory, plan):
        # Left behind only by a run that was stopped between its last two steps.
        shutil.rmtree(partial_directory(directory), ignore_errors=True)
        return _summary(directory, 0.0)

    splits = assign_splits(catalog.products, config.validation_fraction, config.test_fraction, config.seed)
    if "train" not in splits:
        raise UserError(
            f"{catalog.name}: no product is left to train on; lower validation_fraction and test_fraction, or mark "
            f"products `train`. Received: {config.validation_fraction} and {config.test_fraction}"
        )
    extractor = create_extractor(config)
    tokenizer, vocabulary = _begin(catalog, splits, directory, config, plan, overwrite)
    feature_size = extractor.backbone.feature_size
    photos = PhotoRows(catalog, splits, tokenizer, extractor, config)
    metadata = plan | {
        "backbone": config.backbone,
        "feature_size": feature_size,
        "categories": photos.categories,
        "subcategories": photos.subcategories,
        "vocabulary": vocabulary,
        "products": {split: splits.count(split) for split in SPLITS if split in splits},
    }
    chunks = photos.chunks()
    with tqdm(total=catalog.photo_count, desc="prepare", unit="photo") as progress:
        shards = {
            split: [partial(photos.rows, chunk, progress) for chunk in of_split] for split, of_split in chunks.items()
        }
        builder = KaleidoRecords(directory, RecordLayout(feature_size), metadata, shards)
        progress.initial = progress.n = sum(len(chunks[split][number]) for split, number in builder.finished())
        progress.refresh()
        builder.download_and_prepare()
    return _summary(directory, time.monotonic() - started)


def _plan(catalog: Catalog, config: PrepareConfig) -> dict[str, Any]:
    """What the records depend on, in JSON types."""
    kept = {key: value for key, value in asdict(config).items() if key not in RUNTIME_KEYS}
    plan = {"config": kept, "catalog": {"name": catalog.name, "fingerprint": catalog.fingerprint}}
    return json.loads(json.dumps(plan)) | {"version": str(KaleidoRecords.VERSION)}


def _is_made(directory: Path, plan: dict[str, Any]) -> bool:
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if not _holds_records(directory):
        raise UserError(f"{directory}: holds other files than records; name another folder or empty it")
    _check_same(directory, json.loads((directory / "metadata.json").read_text(encoding="utf-8")), plan)
    return True


def _holds_records(directory: Path) -> bool:
    return (directory / index_file("train")).exists()


def _begin(
    catalog: Catalog, splits: list[str], directory: Path, config: PrepareConfig, plan: dict[str, Any], overwrite: bool
) -> tuple[Tokenizer, dict[str, Any]]:
    """Makes the work folder with the vocabulary, or finds the one that an interrupted run left.

    Returns:
        The tokenizer, and what the metadata says of its vocabulary.
    """
    work = partial_directory(directory)
    begun = work / _BEGUN_FILE
    if begun.exists():
        found = json.loads(begun.read_text(encoding="utf-8"))
        if not overwrite and any((work / "records").glob("*.array_record*")):
            _check_same(work, found, plan)
        if found == plan | {"vocabulary": found["vocabulary"]}:
            return load_tokenizer(work / "records" / found["vocabulary"]["file"]), found["vocabulary"]
    shutil.rmtree(work, ignore_errors=True)
    (work / "records").mkdir(parents=True)
    texts = [product.text for product, split in zip(catalog.products, splits) if split == "train"]
    tokenizer = create_tokenizer(config.vocabulary, texts, config.vocabulary_size)
    file = tokenizer.save(work / "records")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    vocabulary = {"file": file.name, "size": tokenizer.vocab_size, "sha256": sha256}
    # Last and in one step: a work folder that has begun has its vocabulary.
    write_atomically(begun, json.dumps(plan | {"vocabulary": vocabulary}).encode())
    return tokenizer, vocabulary


def _check_same(directory: Path, found: dict[str, Any], plan: dict[str, Any]) -> None:
    """Raises a UserError that names what differs between what is there and what is wanted."""
    there, wanted = _flat(found), _flat(plan)
    differences = [
        f"{key} {there.get(key)!r}, now {wanted.get(key)!r}"
        for key in dict.fromkeys([*wanted, *there])
        if there.get(key) != wanted.get(key)
    ]
    if differences:
        raise UserError(
            f"{directory}: holds records made otherwise; name another folder, or replace them with --overwrite true. "
            f"Received: {'; '.join(differences)}"
        )


def _flat(plan: dict[str, Any]) -> dict[str, Any]:
    catalog = {f"catalog {key}": value for key, value in plan.get("catalog", {}).items()}
    return {"version": plan.get("version")} | plan.get("config", {}) | catalog


def _summary(directory: Path, seconds: float) -> Summary:
    splits = tfds.builder_from_directory(directory).info.splits
    rejects = directory / REJECTS_FILE
    rejected = len(rejects.read_text(encoding="utf-8").splitlines()) if rejects.exists() else 0
    return Summary(directory, {name: split.num_examples for name, split in splits.items()}, rejected, seconds)
