"""Photos as a saved model reads them, without records."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kaleido.constants import LEVELS, PATCHES
from kaleido.errors import UserError
from kaleido.network_folder import CONFIG_FILE
from kaleido.pretrained.inputs import Group
from kaleido.progress import tqdm
from kaleido.records.config import PrepareConfig
from kaleido.records.corruption import clean_photos
from kaleido.records.extractor import create_extractor
from kaleido.records.reader import PhotoView
from kaleido.records.stream import Batch
from kaleido.untrusted import checked, inner_file
from kaleido.vision.features import PhotoFailure, PhotoFeatures
from kaleido.vision.patches import cells, positions

if TYPE_CHECKING:
    from kaleido.vision.features import FeatureExtractor

_WEIGHTS = ("saliency_weights", "backbone_weights")


class PhotoProcessor:
    """Finds, cuts and encodes photos as those that a model was trained on.

    Saliency net and backbone are loaded with the first photo, and once.

    Args:
        directory: Folder of the model.
        content: Its `config.json`, which names saliency, backbone, grid and crop sizes.
    """

    def __init__(self, directory: Path, content: Mapping[str, Any]):
        self._directory = directory
        self._content = content
        self._raw_positions = bool((content["architecture"].get("compatibility") or {}).get("raw_positions"))

    @cached_property
    def extractor(self) -> "FeatureExtractor":
        """Extractor of the features.

        Raises:
            UserError: if the model does not say how photos were prepared, or its backbone gives other features than it
                reads.
        """
        extractor = create_extractor(prepare_config_of(self._content, self._directory))
        wanted, given = self._content["architecture"]["feature_size"], extractor.backbone.feature_size
        if given != wanted:
            raise UserError(
                f"{self._directory}: the model reads features of {wanted} numbers and the backbone that it names "
                f"gives {given}; prepare, train and predict with the same backbone"
            )
        return extractor

    def batches(
        self,
        photos: Iterable[Group],
        batch_size: int,
        total: int | None = None,
        unreadable: dict[str, str] | None = None,
        hint: str = 'on_error="skip"',
    ) -> Iterator[tuple[list[Any], Batch]]:
        """Gives batches of the readable photos, in their order; one batch is in memory at a time.

        A photo that goes with several examples is encoded once.

        Args:
            photos: Photos with their examples.
            batch_size: Examples of a batch at most.
            total: Number of photos, for the progress bar.
            unreadable: Takes names of unreadable photos and why they are; where it is None, the first such photo stops.
            hint: Option that leaves unreadable photos out, for the message.

        Yields:
            The examples, B at most, and of each `level1` to `level5`, float16 [B, n, D], and `positions`, float32
            [B, 55, 5].

        Raises:
            UserError: naming the photo that cannot be read.
        """
        waiting: deque[Group] = deque()

        def items() -> Iterator[tuple[str, Any]]:
            for group in photos:
                waiting.append(group)
                yield group.name, group.read

        found: list[tuple[Any, PhotoView]] = []
        for result in tqdm(self.extractor.extract(items()), "photos", total, unit="photo", disable=total == 1):
            group = waiting.popleft()
            if isinstance(result, PhotoFailure):
                if unreadable is None:
                    raise UserError(
                        f"{group.name}: {result.reason}; repair or remove it, or leave such photos out by {hint}"
                    )
                unreadable[group.name] = result.reason
                continue
            view = PhotoView(result.features, self._positions(result))
            for example in group.examples:
                found.append((example, view))
                if len(found) == batch_size:
                    yield _batch(found)
                    found = []
        if found:
            yield _batch(found)

    def one(self, photo: Group) -> tuple[PhotoFeatures, Batch]:
        """Encodes a single photo: what was found in it, and a batch of one.

        Raises:
            UserError: if it cannot be read.
        """
        items: list[tuple[str, Any]] = [(photo.name, photo.read)]
        (found,) = self.extractor.extract(items)
        if isinstance(found, PhotoFailure):
            raise UserError(f"{photo.name}: {found.reason}")
        return found, clean_photos([PhotoView(found.features, self._positions(found))])

    def blank(self) -> Batch:
        """Gives a batch of one photo of zeros, from which the shape of an output is known."""
        size = self._content["architecture"]["feature_size"]
        levels = {f"level{level}": np.zeros((1, level**2, size), np.float16) for level in LEVELS}
        return {**levels, "positions": np.zeros((1, PATCHES, 5), np.float32)}

    def _positions(self, photo: PhotoFeatures) -> np.ndarray:
        if self._raw_positions:
            return positions(cells(photo.box, self.extractor.grid), photo.width, photo.height, raw=True)
        return photo.positions


PHOTO_KEYS = ("saliency", "grid", "backbone", "crop_sizes", "precision", "max_megapixels")
"""Keys of `PrepareConfig` that decide a photo's features."""


def prepare_config_of(content: Mapping[str, Any], directory: Path) -> PrepareConfig:
    """Reads how the records that a model was trained on were prepared.

    Weights that lie in the model's folder go before the paths that the preparation named.

    Args:
        content: `config.json` of the model.
        directory: Folder of the model.

    Raises:
        UserError: if the records were not made of photos, or weights are missing.
    """
    saved = content["processor"].get("photos") or {}
    known = {field.name for field in fields(PrepareConfig)}
    if "backbone" not in saved or not set(saved) <= known:
        raise UserError(
            f"{directory}: does not say how its photos were prepared; only models that were trained on records of "
            "photos can read photos"
        )
    config = checked(PrepareConfig, saved, f"{directory / CONFIG_FILE}: processor.photos")
    files = content["processor"].get("files", {})
    inside: dict[str, Any] = {key: str(inner_file(directory, files[key])) for key in _WEIGHTS if key in files}
    for key in _WEIGHTS:
        named = getattr(config, key)
        if key not in inside and named:
            raise UserError(
                f"{directory}: its photos were prepared with the weights {named}, which are not in the folder; "
                "put them back to where they were and save the model of its run again"
            )
    return replace(config, **inside)


def prepared_like(content: Mapping[str, Any], directory: Path, config: PrepareConfig) -> PrepareConfig:
    """Changes a preparation so that a saved model can read, and be fine-tuned on, the records that it makes.

    Args:
        content: `config.json` of the model.
        directory: Folder of the model, which has the vocabulary.
        config: Preparation, whose splits, files and errors stay as they are.

    Raises:
        UserError: if `config` asks for another backbone, vocabulary and so on than the model's.
    """
    model, default = prepare_config_of(content, directory), PrepareConfig()
    wanted = {key: getattr(model, key) for key in (*PHOTO_KEYS, *_WEIGHTS)} | {"vocabulary": str(directory)}
    for key, value in wanted.items():
        if (asked := getattr(config, key)) not in (getattr(default, key), value):
            raise UserError(
                f"prepare_config.{key}: the photos and texts of the model {directory} are prepared with {value}; leave "
                f"one of the two out. Received: {asked}"
            )
    return replace(config, **wanted)


def _batch(found: list[tuple[Any, PhotoView]]) -> tuple[list[Any], Batch]:
    examples, views = zip(*found)
    return list(examples), clean_photos(views)
