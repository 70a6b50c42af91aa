"""Features of a catalogue's photos from its prepared records, which spares decoding and encoding them again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.pretrained.model import Model
from kaleido.pretrained.processor import PHOTO_KEYS, prepare_config_of
from kaleido.records.config import PrepareConfig
from kaleido.records.corruption import clean_photos
from kaleido.records.folder import Records
from kaleido.records.reader import PhotoRecords, PhotoView
from kaleido.records.stream import Batch
from kaleido.search.products import Products


class PreparedPhotos:
    """Photos whose features are in records of the catalogue.

    Args:
        directory: Folder of the records.
        products: The catalogue that the records were made of.
        model: Model that is to read the features.

    Raises:
        UserError: if the records are of another catalogue, or prepared in another way than the model's photos.
    """

    def __init__(self, directory: Path, products: Products, model: Model):
        catalog = products.sources
        folder = Records(directory)
        metadata = folder.metadata
        if not isinstance(catalog, Catalog) or metadata.get("catalog", {}).get("fingerprint") != catalog.fingerprint:
            raise UserError(
                f"{directory}: records of other products, or of photos that have changed since; name records of this "
                f"catalogue, or leave them out. Received: {products.place}"
            )
        wanted = asdict(prepare_config_of(model.config, model.directory))
        prepared = asdict(PrepareConfig()) | metadata["config"]
        for key in PHOTO_KEYS:
            # JSON has lists for tuples.
            if (given := _listed(prepared.get(key))) != (expected := _listed(wanted.get(key))):
                raise UserError(
                    f"{directory}: the photos of the model {model.directory} are prepared with {key} {expected}; leave "
                    f"these records out. Received: {given}"
                )
        self._raw = bool((model.config["architecture"].get("compatibility") or {}).get("raw_positions"))
        self._places: dict[str, tuple[PhotoRecords, int]] = {}
        for split in folder.splits:
            records = folder.open(split)
            assert isinstance(records, PhotoRecords)  # no other kind is made of a catalogue
            model._saved.application.check_prepared(records, model.config, model.directory)
            self._places |= {photo: (records, row) for row, photo in enumerate(records.photo_ids())}

    def __contains__(self, photo: str) -> bool:
        return photo in self._places

    def batches(self, photos: Mapping[int, str], batch_size: int) -> Iterator[tuple[list[int], Batch]]:
        """Gives batches of features, as `PhotoProcessor.batches`.

        Args:
            photos: Ids of photos that the records have, by any numbers.
            batch_size: Photos of a batch at most.

        Yields:
            The numbers, and the arrays of the batch.
        """
        numbers = list(photos)
        for start in range(0, len(numbers), batch_size):
            part = numbers[start : start + batch_size]
            yield part, clean_photos(self._views([photos[number] for number in part]))

    def _views(self, photos: Sequence[str]) -> list[PhotoView]:
        found = (self._places[photo] for photo in photos)
        return [view for records, row in found for view in records.views(np.array([row]), self._raw)]


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
