"""From a catalogue to records."""

import json
import shutil
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kaleido.atomic import remove_atomically
from kaleido.catalog.catalog import Catalog
from kaleido.catalog.product import SPLITS
from kaleido.errors import UserError
from kaleido.records.builder import REJECTS_FILE, KaleidoRecords, Portion, RecordFile, index_file, partial_directory
from kaleido.records.config import RUNTIME_KEYS, PrepareConfig
from kaleido.records.layout import RecordLayout
from kaleido.records.photos import PhotoRows, create_extractor
from kaleido.records.reader import read_description
from kaleido.records.shard import Shard
from kaleido.records.splits import assign_splits
from kaleido.records.work_folder import WorkFolder, check_same, read_json
from kaleido.text import Tokenizer, create_tokenizer


@dataclass(frozen=True, slots=True)
class Summary:
    """What lies in a folder of records.

    Attributes:
        directory: The folder.
        photos: Records of each split.
        rejected: Photos that gave no record; `rejects.jsonl` lists them.
        seconds: Time it took, 0 where everything was there.
        made: Photos that this took up, where an earlier run or another process had not.
        missing: Files that other shards still have to make; None for records that are complete and in their place.
    """

    directory: Path
    photos: dict[str, int]
    rejected: int
    seconds: float
    made: int
    missing: int | None = None


def prepare(
    catalog: Catalog, directory: Path, config: PrepareConfig, overwrite: bool = False, shard: Shard | None = None
) -> Summary:
    """Makes the records of a catalogue, or goes on where an interrupted run stopped, or finds them made.

    The same catalogue and configuration give the same bytes, however often a run is interrupted and whatever is left
    to shards, as far as the backbone computes the same on every host.

    Args:
        catalog: Whose photos and texts to take.
        directory: Where the records go, with the vocabulary and the index beside them.
        config: How to make them.
        overwrite: Whether records of another catalogue or configuration are replaced.
        shard: Makes only the files of this shard and leaves them in `partial_directory(directory)`, where other
            processes may be at work at the same time; a call without it then makes what is missing and moves everything
            into place.

    Returns:
        What lies in `directory`; with a shard that is not the last step, what it made.

    Raises:
        UserError: if a photo is unusable and `on_error` is `stop`, or if `directory` holds something else, or files
            made otherwise wait to be moved there.
    """
    started = time.monotonic()
    directory = Path(directory)
    plan = _plan(catalog, config)
    if overwrite and shard:
        raise UserError(
            f"--overwrite true would remove what the other shards make; delete {directory} and "
            f"{partial_directory(directory)} before the first shard instead"
        )
    if overwrite and (_holds_records(directory) or not directory.exists()):
        remove_atomically(directory)
    if _is_made(directory, plan):
        # Left behind only by a run that was stopped between its last two steps.
        shutil.rmtree(partial_directory(directory), ignore_errors=True)
        return _summary(directory, 0.0, 0)
    made = 0
    try:
        builder, files, made = _make(catalog, directory, config, plan, overwrite, shard)
        if shard:
            return _shard_summary(builder, files, directory, time.monotonic() - started, made)
        builder.publish()
    except (UserError, OSError):
        # Whoever publishes first takes the work folder away from all the others, whose work is then done.
        if not _is_made(directory, plan):
            raise
    return _summary(directory, time.monotonic() - started, made)


def _make(
    catalog: Catalog,
    directory: Path,
    config: PrepareConfig,
    plan: dict[str, Any],
    overwrite: bool,
    shard: Shard | None,
) -> tuple[KaleidoRecords, list[RecordFile], int]:
    """Makes the files of a shard, or all, that are not there.

    Returns:
        Their builder, the files, and how many photos were taken up for them.
    """
    splits = assign_splits(catalog.products, config.validation_fraction, config.test_fraction, config.seed)
    if "train" not in splits:
        raise UserError(
            f"{catalog.name}: no product is left to train on; lower validation_fraction and test_fraction, or mark "
            f"products `train`. Received: {config.validation_fraction} and {config.test_fraction}"
        )
    extractor = create_extractor(config)

    def create() -> Tokenizer:
        texts = [product.text for product, split in zip(catalog.products, splits) if split == "train"]
        return create_tokenizer(config.vocabulary, texts, config.vocabulary_size)

    work = WorkFolder.begin(partial_directory(directory), plan, create, overwrite)
    feature_size = extractor.backbone.feature_size
    photos = PhotoRows(catalog, splits, work.tokenizer, extractor, config)
    metadata = plan | {
        "backbone": config.backbone,
        "feature_size": feature_size,
        "categories": photos.categories,
        "subcategories": photos.subcategories,
        "vocabulary": work.vocabulary,
        "products": {split: splits.count(split) for split in SPLITS if split in splits},
    }
    with tqdm(desc="prepare", unit="photo") as progress:
        portions = {
            split: [Portion(len(chunk), partial(photos.rows, chunk, progress)) for chunk in chunks]
            for split, chunks in photos.chunks().items()
        }
        builder = KaleidoRecords(directory, RecordLayout(feature_size), metadata, portions, work.path)
        files = [file for number, file in enumerate(builder.files) if shard is None or shard.holds(number)]
        missing = [file for file in files if not builder.is_finished(file)]
        progress.reset(total=sum(map(builder.photos, files)))
        progress.initial = progress.n = progress.total - sum(map(builder.photos, missing))
        progress.set_postfix_str(f"{len(files) - len(missing)} of {len(files)} files found")
        made = 0
        for file in missing:
            if builder.is_finished(file):
                # By another process, since this one looked.
                progress.update(builder.photos(file))
            else:
                builder.make(file)
                made += builder.photos(file)
    return builder, files, made


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
    check_same(directory, read_json(directory / "metadata.json"), plan)
    return True


def _holds_records(directory: Path) -> bool:
    return (directory / index_file("train")).exists()


def _shard_summary(
    builder: KaleidoRecords, files: list[RecordFile], directory: Path, seconds: float, made: int
) -> Summary:
    photos, rejected = {file.split: 0 for file in builder.files}, 0
    for file in files:
        index, rejects = builder.read_part(file)
        photos[file.split] += len(index)
        rejected += rejects.count("\n")
    missing = sum(not builder.is_finished(file) for file in builder.files)
    return Summary(partial_directory(directory), photos, rejected, seconds, made, missing)


def _summary(directory: Path, seconds: float, made: int) -> Summary:
    _, lengths = read_description(directory)
    rejects = directory / REJECTS_FILE
    rejected = rejects.read_bytes().count(b"\n") if rejects.exists() else 0
    photos = {split: sum(of_files) for split, of_files in lengths.items()}
    if not photos.get("train"):
        raise UserError(f"{directory}: no training photo could be used, {rejected} were rejected; see {REJECTS_FILE}")
    return Summary(directory, photos, rejected, seconds, made)
