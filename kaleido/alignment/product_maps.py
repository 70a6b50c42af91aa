"""Feature maps of the products of records, as the alignment captioner reads them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kaleido.errors import UserError
from kaleido.processors import cores
from kaleido.progress import tqdm
from kaleido.records.reader import PhotoRecords
from kaleido.vision.backbones import create_backbone
from kaleido.vision.product import CELLS

PRODUCT_SHARE = 0.1
"""Share of a cell that the product has to fill for the cell to count as product."""


def product_cells(cells: np.ndarray) -> np.ndarray:
    """Tells which of a view's cells show the product: float32 [196], 1 where they do; 1 everywhere if none does."""
    product = (cells.ravel() > 255 * PRODUCT_SHARE).astype(np.float32)
    return product if product.any() else np.ones_like(product)


class ProductMaps:
    """Computes maps with the backbone that the records were made with, from the pictures that they keep.

    Args:
        metadata: Metadata of the records.
    """

    BATCH = 32

    def __init__(self, metadata: Mapping):
        config = metadata.get("config", {})
        if "backbone" not in config:
            raise UserError("the records do not say how their photos were prepared; prepare the catalogue again")
        self._backbone = create_backbone(
            config["backbone"], config.get("backbone_weights"), config.get("precision", "float32")
        )

    def encode(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Encodes at most `BATCH` pictures; the network always gets that many.

        Returns:
            float16 [n, 196, C].
        """
        crops = np.stack(pictures)
        maps = self._backbone.encode_map(np.resize(crops, (self.BATCH, *crops.shape[1:])))[: len(crops)]
        return maps.reshape(len(crops), CELLS, -1).astype(np.float16)

    def of_records(
        self, records: PhotoRecords, rows: np.ndarray, label: str
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Computes the maps of some records in portions.

        Args:
            records: Records of one split.
            rows: int [n].
            label: Label of the progress bar.

        Yields:
            A portion of the rows, their maps float16 [n, 196, C] and `product_cells` float32 [n, 196].
        """
        with ThreadPoolExecutor(cores()) as threads, tqdm(total=len(rows), desc=label, unit="photo") as progress:
            waiting = []
            for portion in (rows[start : start + self.BATCH] for start in range(0, len(rows), self.BATCH)):
                waiting.append((portion, [threads.submit(records.product, int(row)) for row in portion]))
                if len(waiting) == 3:
                    yield self._done(*waiting.pop(0), progress)
            for portion, views in waiting:
                yield self._done(portion, views, progress)

    def _done(self, portion, views, progress) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = [view.result() for view in views]
        progress.update(len(portion))
        return portion, self.encode([view.picture for view in found]), np.stack([product_cells(v.cells) for v in found])
