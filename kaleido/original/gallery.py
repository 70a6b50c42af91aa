"""The texts and photos of the original's retrieval files, and the candidate lists that they hold."""

from pathlib import Path

import numpy as np

from kaleido.errors import UserError
from kaleido.original.batches import batch_of
from kaleido.original.records import OriginalRecords
from kaleido.retrieval.candidates import DIRECTIONS, CandidateLists, Direction
from kaleido.retrieval.gallery import Gallery, TextField, register_gallery


class OriginalGallery(Gallery):
    """The texts and photos of the original's retrieval files, in which every line pairs a text and a photo.

    Args:
        records: Records of one split.
        raw_positions: Whether positions are in pixels, as they are in the data.

    Attributes:
        pairs: int64 [lines] twice, the text and the photo of each line.

    Raises:
        UserError: if the records are not of retrieval files.
    """

    def __init__(self, records: OriginalRecords, raw_positions: bool = False):
        if records.content != "retrieval":
            raise UserError(
                f"{records.directory}: holds the original's data for {records.content}; name records of its "
                "retrieval files"
            )
        columns = records.index.columns
        text_ids, first_text, texts = np.unique(columns["text_product_id"], return_index=True, return_inverse=True)
        photos = np.char.add(np.char.add(columns["image_product_id"], "/"), columns["photo_id"])
        photo_ids, self._first_photo, photos = np.unique(photos, return_index=True, return_inverse=True)
        self.pairs = texts, photos
        numbers = {product: number for number, product in enumerate(text_ids.tolist())}
        products = columns["image_product_id"][self._first_photo].tolist()
        tokens = []
        for row in first_text:
            example = records.examples(np.array([row]))
            tokens.append(example["token_ids"][0][: example["token_mask"][0].sum()])
        super().__init__(
            records,
            text_ids.tolist(),
            photo_ids.tolist(),
            np.array([numbers.get(product, -1) for product in products]),
            tokens,
            raw_positions,
        )

    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        examples = self.records.examples(self._first_photo[items])
        batch = batch_of(examples, self.records.photo_size, self._raw_positions)
        return {name: values for name, values in batch.items() if name.startswith(("level", "positions"))}

    def own_lists(self, direction: Direction) -> CandidateLists:
        if direction not in DIRECTIONS:
            raise UserError(f"the original's files are of one direction; name it, i2t or t2i. Received: {direction}")
        texts, photos = self.pairs
        queries, candidates = (photos, texts) if direction == "i2t" else (texts, photos)
        labels = self.records.index.columns["itm_label"] == 1
        starts = np.flatnonzero(np.append(True, queries[1:] != queries[:-1]))
        wrong = np.flatnonzero(np.add.reduceat(labels, starts, dtype=int) != 1)
        if len(wrong):
            start = int(starts[wrong[0]])
            ids = self.photo_ids if direction == "i2t" else self.text_ids
            raise UserError(
                f"{self.records.directory}: from line {start + 1} on, the query {ids[queries[start]]} has no or "
                f"several candidates that are marked as its own; is this a file for {direction}?"
            )
        offsets = np.append(starts, len(queries))
        return CandidateLists(direction, np.zeros(len(starts), int), queries[starts], candidates, labels, offsets, {})


def _open(
    records: OriginalRecords, text_length: int, raw_positions: bool, text: TextField, catalog: str | Path | None
) -> OriginalGallery:
    if text != "both":
        raise UserError(f"{records.directory}: the original's data has one text. Received: text {text}")
    return OriginalGallery(records, raw_positions)


register_gallery(OriginalRecords.KIND, _open)
