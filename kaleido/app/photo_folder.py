"""The photos of a folder as a saved model reads them, without records."""

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from kaleido.app.model_directory import read_model_config
from kaleido.catalog.sources import FolderSource
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.records.config import PrepareConfig
from kaleido.records.corruption import Corruption
from kaleido.records.draws import Draws
from kaleido.records.photos import create_extractor
from kaleido.records.reader import PhotoView
from kaleido.records.stream import Batch
from kaleido.vision.features import PhotoFailure, PhotoFeatures
from kaleido.vision.patches import cells, positions

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


class PhotoFolder:
    """Photos of a folder and its sub-folders, prepared as those that a model was trained on.

    Args:
        directory: The folder.
        model: A saved model, which knows its saliency, backbone and crop sizes.
        batch_size: Photos at once.
        on_error: What an unreadable photo does: `stop`, or `skip`.

    Attributes:
        names: Paths of the photos within the folder, sorted.
        failures: Of the photos that were skipped, once all are read: path and reason.

    Raises:
        UserError: if there is no photo, or the model does not know how photos were prepared.
    """

    def __init__(self, directory: Path, model: Path, batch_size: int, on_error: Literal["stop", "skip"] = "stop"):
        content = read_model_config(model)
        self._source = FolderSource(directory)
        self._batch_size = batch_size
        self._on_error = on_error
        paths = (path for path in Path(directory).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        self.names = sorted(path.relative_to(directory).as_posix() for path in paths if not path.name.startswith("."))
        self.failures: dict[str, str] = {}
        if not self.names:
            raise UserError(f"{directory}: no photos here; give a folder with {', '.join(SUFFIXES)} files")
        config = ModelConfig.from_dict(content["model"])
        self._raw_positions = bool(config.compatibility.raw_positions)
        self._extractor = create_extractor(_prepare_config(content["records"], model))
        if (size := self._extractor.backbone.feature_size) != config.feature_size:
            raise UserError(
                f"{model}: the model reads features of {config.feature_size} numbers and the backbone that it names "
                f"gives {size}; prepare, train and caption with the same backbone"
            )

    def read(self, name: str) -> bytes:
        """The encoded photo of that name.

        Raises:
            UserError: if it cannot be read.
        """
        return self._source.read(name)

    def batches(self) -> Iterator[tuple[list[str], Batch]]:
        """Names and batches of readable photos, in their order: `level1` to `level5` and `positions`."""
        items = ((name, partial(self.read, name)) for name in self.names)
        found: list[PhotoFeatures] = []
        for result in tqdm(self._extractor.extract(items), "photos", len(self.names), unit="photo"):
            if isinstance(result, PhotoFailure):
                if self._on_error == "stop":
                    raise UserError(
                        f"{self._source.path / result.key}: {result.reason}; repair or remove it, or leave such photos "
                        "out with --on-error skip"
                    )
                self.failures[result.key] = result.reason
                continue
            found.append(result)
            if len(found) == self._batch_size:
                yield self._batch(found)
                found = []
        if found:
            yield self._batch(found)

    def _batch(self, photos: list[PhotoFeatures]) -> tuple[list[str], Batch]:
        rows = np.arange(len(photos))
        whole = Corruption.draw((), {}, Draws(0, np.zeros_like(rows), rows))
        views = [PhotoView(photo.features, self._positions(photo)) for photo in photos]
        return [photo.key for photo in photos], whole.apply(zip(views, views), photos[0].features.shape[1])

    def _positions(self, photo: PhotoFeatures) -> np.ndarray:
        if self._raw_positions:
            return positions(cells(photo.box), photo.width, photo.height, raw=True)
        return photo.positions


def _prepare_config(metadata: dict, model: Path) -> PrepareConfig:
    """How the records that a model was trained on were prepared."""
    saved = metadata.get("config", {})
    known = {field.name for field in fields(PrepareConfig)}
    if "backbone" not in saved or not set(saved) <= known:
        raise UserError(
            f"{model}: does not say how its photos were prepared; only models that were trained on records of photos "
            "can read photos"
        )
    sizes = saved.get("crop_sizes")
    return PrepareConfig(**{**saved, "crop_sizes": tuple(sizes) if sizes else None})
