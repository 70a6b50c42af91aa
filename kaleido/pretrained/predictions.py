"""Predictions of a saved model for photos and texts that are not in records, as files."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Literal

from kaleido.app.model_folder import SavedModel, load_model
from kaleido.atomic import write_atomically
from kaleido.catalog.photo_list import PhotoList, photos_of_folder, photos_of_table
from kaleido.catalog.rejects import Rejects
from kaleido.errors import UserError
from kaleido.pretrained.config import PredictConfig
from kaleido.pretrained.processor import PhotoReader

TABLES = (".csv", ".jsonl")


@dataclass(frozen=True, slots=True)
class Predictions:
    """Result of `predict`.

    Attributes:
        count: Number of photos.
        files: Files that were written.
        skipped: Rows and photos that were left out, and why.
        notes: Remarks on texts that were missing, cut or not read.
    """

    count: int
    files: Sequence[Path]
    skipped: Sequence[str]
    notes: Sequence[str]

    def __str__(self) -> str:
        done = f"{self.count:,} predictions are in {' and '.join(map(str, self.files))}"
        return "\n".join([*self.skipped, done])


def predict(config: PredictConfig) -> Predictions:
    """Predicts photos, or photos with their texts, and writes what the model's task makes of them.

    Raises:
        UserError: if the photos cannot be read, or the model does not fit them; nothing is written then.
    """
    saved = load_model(Path(config.model))
    _check_options(config, saved)
    predictor = saved.application.create_predictor(saved, config.batch_size, **config.options)
    photos = _photos(config, reads_text=predictor.reads_text, needs_text=predictor.needs_text)
    notes = []
    if not predictor.reads_text and photos.photos[0].place:
        notes.append("this model reads photos alone, and no texts")
    elif predictor.reads_text and (empty := sum(not photo.text for photo in photos.photos)):
        notes.append(f"photos without a text, read with an empty one: {empty:,} of {len(photos.photos):,}")
    reader = PhotoReader(saved, config.batch_size, config.on_error)
    rows, reads = [], []
    for listed, batch in reader.batches(photos):
        answers = predictor(batch, [photo.text for photo in listed])
        rows += [{**photo.key, **answer} for photo, answer in zip(listed, answers, strict=True)]
        reads += [partial(photos.source.read, photo.path) for photo in listed]
    files = saved.application.prediction_files(rows, reads)
    for name, content in files.items():
        write_atomically(Path(config.out) / name, content)
    if predictor.cut:
        notes.append(
            f"texts cut to the {predictor.length} positions that the model was trained with: {predictor.cut:,}"
        )
    return Predictions(len(rows), [Path(config.out) / name for name in files], reader.skipped(photos), notes)


def _check_options(config: PredictConfig, saved: SavedModel) -> None:
    known = {one.name for section in saved.application.sections.values() for one in fields(section)}
    if unknown := config.options.keys() - known:
        raise UserError(
            f"{config.model}: a model of the task {saved.content['task']} has no {min(unknown)}; leave it out"
        )


def _photos(config: PredictConfig, reads_text: bool, needs_text: bool) -> PhotoList:
    path = Path(config.photos)
    if path.suffix.lower() in TABLES and not path.is_dir():
        texts: Literal["required", "optional", "unused"] = "optional" if reads_text else "unused"
        texts = "required" if needs_text else texts
        rejects = Rejects(config.on_error)
        return photos_of_table(path, rejects, config.source or "", config.columns, config.separators, texts)
    if not path.is_dir():
        raise UserError(f"{path}: give a folder of photos, or a table that ends in {' or '.join(TABLES)}")
    if needs_text:
        raise UserError(
            f"{path}: this model tells whether a photo and a text belong together; give a table with the columns photo "
            "and text. Received: a folder of photos"
        )
    if config.columns or config.source:
        raise UserError(f"{path}: --columns and --source go with a table. Received: a folder of photos")
    return photos_of_folder(path)
