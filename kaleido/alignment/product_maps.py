"""The photos of records as the alignment captioner sees them: feature maps of the products."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image

from kaleido.catalog.catalog import Catalog
from kaleido.errors import UserError
from kaleido.progress import tqdm
from kaleido.records.config import PrepareConfig
from kaleido.records.reader import PhotoRecords
from kaleido.vision.backbones import create_backbone
from kaleido.vision.photo import decode
from kaleido.vision.saliency import box_of, create_saliency

SIDE, CELL = 224, 16
"""Pixels of a product and of a cell of its map: 14 x 14 cells."""

CELLS = (SIDE // CELL) ** 2

PRODUCT_SHARE = 0.1
"""A cell shows the product where so much of it lies on the mask."""


@dataclass(frozen=True, slots=True)
class ProductPhoto:
    """One photo, found and cut.

    Attributes:
        photo: uint8 [H, W, 3].
        mask: bool [H, W].
        box: (x1, y1, x2, y2) in pixels.
        crop: uint8 [224, 224, 3], what is in the box.
        product: float32 [196], 1 where a cell shows the product; everywhere if none does.
    """

    photo: np.ndarray
    mask: np.ndarray
    box: tuple[int, int, int, int]
    crop: np.ndarray
    product: np.ndarray


class ProductMaps:
    """Maps of the photos of records, by the saliency and the backbone that the records were made with.

    Args:
        catalog: Of the records.
        metadata: Of the records.
    """

    BATCH = 32

    def __init__(self, catalog: Catalog, metadata: dict):
        known = {field.name for field in fields(PrepareConfig)}
        config = PrepareConfig(**{key: value for key, value in metadata["config"].items() if key in known})
        self.catalog = catalog
        self._uris = {photo.id: photo.uri for product in catalog.products for photo in product.photos}
        self._saliency = create_saliency(config.saliency, config.saliency_weights)
        self._backbone = create_backbone(config.backbone, config.backbone_weights)

    def photo(self, photo_id: str) -> ProductPhoto:
        """Reads and cuts one photo.

        Raises:
            UserError: if it cannot be read any more.
        """
        uri = self._uris[photo_id]
        try:
            photo = decode(self.catalog.read(uri))
        except UserError as error:
            raise UserError(f"{self.catalog.locate(uri)}: {error}") from None
        mask = self._saliency.mask(photo)
        box = x1, y1, x2, y2 = tuple(int(edge) for edge in box_of(mask))
        crop = Image.fromarray(photo).crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        inside = Image.fromarray(mask[y1:y2, x1:x2].astype(np.uint8) * 255)
        cells = np.asarray(inside.resize((SIDE // CELL, SIDE // CELL), Image.Resampling.BOX))
        product = (cells.ravel() > 255 * PRODUCT_SHARE).astype(np.float32)
        return ProductPhoto(photo, mask, box, np.asarray(crop), product if product.any() else np.ones_like(product))

    def encode(self, photos: list[ProductPhoto]) -> np.ndarray:
        """float16 [n, 196, C], n at most `BATCH`; the network always gets that many."""
        crops = np.stack([photo.crop for photo in photos])
        maps = self._backbone.encode_map(np.resize(crops, (self.BATCH, *crops.shape[1:])))[: len(crops)]
        return maps.reshape(len(crops), CELLS, -1).astype(np.float16)

    def of_records(
        self, records: PhotoRecords, rows: np.ndarray, what: str
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Rows in portions: their numbers, maps float16 [n, 196, C] and product float32 [n, 196].

        Args:
            records: Of one split.
            rows: int [n].
            what: For the progress bar.
        """
        with ThreadPoolExecutor(os.cpu_count()) as threads, tqdm(total=len(rows), desc=what, unit="photo") as progress:
            waiting = []
            for portion in (rows[start : start + self.BATCH] for start in range(0, len(rows), self.BATCH)):
                waiting.append((portion, [threads.submit(self._of_record, records, row) for row in portion]))
                if len(waiting) == 3:
                    yield self._done(*waiting.pop(0), progress)
            for portion, photos in waiting:
                yield self._done(portion, photos, progress)

    def _of_record(self, records: PhotoRecords, row: int) -> ProductPhoto:
        return self.photo(records.example(int(row))["photo_id"].decode())

    def _done(self, portion, photos, progress) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = [photo.result() for photo in photos]
        progress.update(len(portion))
        return portion, self.encode(found), np.stack([photo.product for photo in found])
