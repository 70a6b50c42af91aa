"""Predictions for the photos of a folder or a table, as tables."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from kaleido.atomic import write_together
from kaleido.catalog.photo_list import PhotoList, Texts, photo_of_file, photos_of_folder, photos_of_table
from kaleido.catalog.photos import PhotoOptions
from kaleido.catalog.rejects import Rejects
from kaleido.catalog.table import TableOptions
from kaleido.catalog.table_file import TABLE_SUFFIXES, is_table_name
from kaleido.errors import UserError
from kaleido.pictures import SUFFIXES
from kaleido.pretrained.inputs import Group
from kaleido.pretrained.model import BATCH_SIZE, Model
from kaleido.progress import progress_bars


@dataclass(frozen=True, slots=True)
class Predictions:
    """Result of `predict_photos`.

    Attributes:
        count: Number of predictions.
        files: Files that were written.
        skipped: For each row or photo that was left out, which and why, a line each.
        notes: What else the caller should know, a line each.
    """

    count: int
    files: list[Path]
    skipped: list[str]
    notes: list[str]

    def __str__(self) -> str:
        done = f"{self.count:,} predictions are in {' and '.join(map(str, self.files))}"
        return "\n".join([*self.skipped, done])


def predict_photos(
    model: Model,
    photos: PhotoList | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    source: str | os.PathLike[str] | None = None,
    photo_options: PhotoOptions = PhotoOptions(check_photos=False),
    reading: TableOptions = TableOptions(),
    batch_size: int = BATCH_SIZE,
    on_error: Literal["stop", "skip"] = "stop",
    progress: bool = True,
    **options: Any,
) -> Predictions:
    """Writes `predictions.csv` and the same as `predictions.jsonl`, a photo a row, in their order.

    A captioner writes `captions.jsonl` and, with the photos, `captions.html` besides.

    Args:
        model: Model of any task.
        photos: A photo; a folder with photos, also in sub-folders; a table (`table_file.TABLE_SUFFIXES`) with the
            columns `photo`, `text` and, if need be, `id`; or a list of photos.
        out: Folder to write into.
        columns: Columns of the table that hold `id`, `text` (or `title` and `description`) and `photo`, where they have
            other names.
        source: Folder or zip that the table's photo paths start from; None is the table's own folder.
        photo_options: How the photos of a table are found; downloaded ones go to the folder `photos` of `out`.
        reading: How a table is read.
        batch_size: Photos at once.
        on_error: What an unusable photo or row does: `stop`, or `skip`.
        progress: Whether progress bars are drawn.
        options: Options of the task's sections that change how a trained model is used: `beams` of a captioner.

    Raises:
        UserError: if a photo or a row cannot be used and `on_error` is `stop`, or none can; nothing is written then.
    """
    predictor = model._predictor(batch_size, **options)
    texts: Texts = "required" if predictor.needs_text else "optional" if predictor.reads_text else "unused"
    if not isinstance(photos, PhotoList):
        photos = _photo_list(
            Path(photos), columns or {}, source, photo_options, on_error, texts, Path(out) / "photos", reading
        )
    notes = [*photos.notes.lines, *photos.notes.counted()]
    if empty := sum(not photo.text for photo in photos.photos) if predictor.reads_text else 0:
        notes.append(f"photos without a text, read with an empty one: {empty:,} of {len(photos.photos):,}")
    if texts == "unused" and any(photo.text for photo in photos.photos):
        notes.append("this model reads photos alone; no text is read")
    before = predictor.cut
    unreadable: dict[str, str] = {}
    rows, readers = [], []
    with progress_bars(progress):
        batches = model._processor.batches(
            _groups(photos),
            batch_size,
            # A photo that is listed with one text after another is encoded once.
            sum(1 for _ in groupby(photos.photos, key=attrgetter("path"))),
            unreadable if on_error == "skip" else None,
            "--on-error skip",
        )
        for listed, batch in batches:
            for photo, columns_of_row in zip(listed, predictor(batch, [photo.text for photo in listed]), strict=True):
                rows.append({**photo.key, **columns_of_row})
                readers.append(partial(photos.read, photo))
    if not rows:
        raise UserError(f"{photos.source.path}: none of its {len(photos.photos)} photos can be read")
    if cut := predictor.cut - before:
        notes.append(f"texts cut to the {predictor.length} positions that the model was trained with: {cut:,}")
    files = model._saved.application.prediction_files(rows, readers)
    written = [Path(out) / name for name in files]
    write_together(out, files)
    in_part = {photo.key["row"] for photo in photos.photos} if photos.rejects else set()
    skipped = [
        f"skipped {'a photo of ' * (reject.row in in_part)}row {reject.row} of {reject.file}: {reject.reason}"
        for reject in photos.rejects
    ]
    folder = f"{photos.source.path}{os.sep}"
    skipped += [f"skipped {name.removeprefix(folder)}: {reason}" for name, reason in unreadable.items()]
    return Predictions(len(rows), written, skipped, notes)


def _groups(photos: PhotoList) -> Iterator[Group]:
    for path, group in groupby(photos.photos, key=attrgetter("path")):
        examples = list(group)
        place = f" ({examples[0].place})" if examples[0].place else ""
        source = examples[0].source or photos.source
        yield Group(f"{source.path / path}{place}", partial(source.read, path), examples)


def _photo_list(
    path: Path,
    columns: Mapping[str, Sequence[str]],
    source: str | os.PathLike[str] | None,
    photo_options: PhotoOptions,
    on_error: Literal["stop", "skip"],
    texts: Texts,
    fetch_to: Path,
    reading: TableOptions,
) -> PhotoList:
    if not path.is_dir() and is_table_name(path.name):
        return photos_of_table(
            path,
            Rejects(on_error),
            os.fspath(source) if source else None,
            columns,
            photo_options,
            texts,
            fetch_to,
            reading,
        )
    single = path.is_file() and path.suffix.lower() in SUFFIXES
    if not path.is_dir() and not single:
        raise UserError(
            f"{path}: give a folder of photos, a photo, or a table that ends in {', '.join(TABLE_SUFFIXES)}"
        )
    if texts == "required":
        raise UserError(
            f"{path}: this model tells whether a photo and a text belong together; give a table with the columns "
            "photo and text. Received: photos alone"
        )
    if columns or source:
        raise UserError(f"{path}: --columns and --source go with a table. Received: photos alone")
    return photo_of_file(path) if single else photos_of_folder(path)
