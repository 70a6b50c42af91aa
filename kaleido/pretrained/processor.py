"""Photos as a saved model reads them, without records."""

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Literal

import numpy as np

from kaleido.app.model_folder import SavedModel
from kaleido.catalog.photo_list import ListedPhoto, PhotoList
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.progress import tqdm
from kaleido.records.config import PrepareConfig
from kaleido.records.corruption import clean_photos
from kaleido.records.extractor import create_extractor
from kaleido.records.reader import PhotoView
from kaleido.records.stream import Batch
from kaleido.vision.features import PhotoFailure, PhotoFeatures
from kaleido.vision.patches import cells, positions


class PhotoReader:
    """Finds, cuts and encodes photos as those that a model was trained on.

    Args:
        model: A saved model, which knows its saliency, backbone, grid and crop sizes.
        batch_size: Photos at once.
        on_error: What an unreadable photo does: `stop`, or `skip`.

    Attributes:
        unread: Of the photos that were skipped so far, path (and row) and reason.

    Raises:
        UserError: if the model does not know how photos were prepared, or its backbone gives other features than it
            reads.
    """

    def __init__(self, model: SavedModel, batch_size: int, on_error: Literal["stop", "skip"] = "stop"):
        self._batch_size = batch_size
        self._on_error = on_error
        self.unread: dict[str, str] = {}
        config = ModelConfig.from_dict(model.content["architecture"])
        self._raw_positions = bool(config.compatibility.raw_positions)
        self._extractor = create_extractor(prepare_config_of(model))
        if (size := self._extractor.backbone.feature_size) != config.feature_size:
            raise UserError(
                f"{model.directory}: the model reads features of {config.feature_size} numbers and the backbone that "
                f"it names gives {size}; prepare, train and predict with the same backbone"
            )

    def batches(self, photos: PhotoList) -> Iterator[tuple[list[ListedPhoto], Batch]]:
        """Batches of the readable photos, in their order; one batch is in memory at a time.

        Yields:
            The photos, B at most, and of them `level1` to `level5`, float16 [B, n, D], and `positions`, float32
            [B, 55, 5].

        Raises:
            UserError: if a photo cannot be read and `on_error` is `stop`, or none can.
        """
        # A photo that is listed with one text after another is encoded once.
        groups = [list(group) for _, group in groupby(photos.photos, key=attrgetter("path"))]
        items = ((group[0].path, partial(photos.source.read, group[0].path)) for group in groups)
        features = tqdm(self._extractor.extract(items), "photos", len(groups), unit="photo")
        found: list[tuple[ListedPhoto, PhotoView]] = []
        any_read = False
        for group, result in zip(groups, features, strict=True):
            if isinstance(result, PhotoFailure):
                self._fail(photos, group, result.reason)
                continue
            any_read = True
            view = PhotoView(result.features, self._positions(result))
            for photo in group:
                found.append((photo, view))
                if len(found) == self._batch_size:
                    yield _batch(found)
                    found = []
        if found:
            yield _batch(found)
        if not any_read:
            raise UserError(f"{photos.source.path}: none of its {len(photos.photos)} photos can be read")

    def skipped(self, photos: PhotoList) -> list[str]:
        """Of each row and photo that was left out, which and why, a line each."""
        rows = [f"skipped row {reject.row} of {reject.file}: {reject.reason}" for reject in photos.rejects]
        return rows + [f"skipped {name}: {reason}" for name, reason in self.unread.items()]

    def _fail(self, photos: PhotoList, group: list[ListedPhoto], reason: str) -> None:
        if self._on_error == "stop":
            raise UserError(
                f"{photos.source.path / _name(group[0])}: {reason}; repair or remove it, or leave such photos out with "
                "--on-error skip"
            )
        self.unread |= {_name(photo): reason for photo in group}

    def _positions(self, photo: PhotoFeatures) -> np.ndarray:
        if self._raw_positions:
            return positions(cells(photo.box, self._extractor.grid), photo.width, photo.height, raw=True)
        return photo.positions


def prepare_config_of(model: SavedModel) -> PrepareConfig:
    """Reads how the records were prepared that a model was trained on.

    Raises:
        UserError: if they were not made of photos.
    """
    saved = model.content["processor"].get("photos") or {}
    known = {field.name for field in fields(PrepareConfig)}
    if "backbone" not in saved or not set(saved) <= known:
        raise UserError(
            f"{model.directory}: does not say how its photos were prepared; only models that were trained on records "
            "of photos can read photos"
        )
    sizes = saved.get("crop_sizes")
    return PrepareConfig(**{**saved, "crop_sizes": tuple(sizes) if sizes else None})


def _name(photo: ListedPhoto) -> str:
    return f"{photo.path} ({photo.place})" if photo.place else photo.path


def _batch(found: list[tuple[ListedPhoto, PhotoView]]) -> tuple[list[ListedPhoto], Batch]:
    photos, views = zip(*found)
    return list(photos), clean_photos(views, views[0].vectors.shape[1])
