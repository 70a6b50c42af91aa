"""Gallery of the original's retrieval files, with the candidate lists that they contain."""

from pathlib import Path

import numpy as np

from kaleido.errors import UserError
from kaleido.original.batches import batch_of
from kaleido.original.records import OriginalRecords
from kaleido.retrieval.candidates import DIRECTIONS, CandidateLists, Direction
from kaleido.retrieval.gallery import Gallery, TextField, register_gallery


class OriginalGallery(Gallery):
    """Gallery of the original's retrieval files, in which every line is a pair of a text and a photo.

    Args:
        records: Records of one split.
        raw_positions: Whether patch positions are in pixels, as in the data.

    Attributes:
        pairs: Text and photo of each line, int64 [lines] twice.

    Raises:
        UserError: if the records were not made from retrieval files.
    """

    def __init__(self, records: OriginalRecords, raw_positions: bool = False):
        if records.content != "retrieval":
            raise UserError(
                f"{records.directory}: has the original's data for {records.content}; name records of its "
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
            raise UserError(
                f"the original's files have one direction; set direction to i2t or t2i. Received: {direction}"
            )
        texts, photos = self.pairs
        queries, candidates = (photos, texts) if direction == "i2t" else (texts, photos)
        labels = self.records.index.columns["itm_label"] == 1
        starts = np.flatnonzero(np.append(True, queries[1:] != queries[:-1]))
        wrong = np.flatnonzero(np.add.reduceat(labels, starts, dtype=int) != 1)
        if len(wrong):
            start = int(starts[wrong[0]])
            ids = self.photo_ids if direction == "i2t" else self.text_ids
            raise UserError(
                f"{self.records.directory}: from line {start + 1} on, the query {ids[queries[start]]} does not "
                f"have exactly one positive; check that this is a file for {direction}"
            )
        offsets = np.append(starts, len(queries))
        return CandidateLists(direction, np.zeros(len(starts), int), queries[starts], candidates, labels, offsets, {})


def _open(
    records: OriginalRecords, text_length: int, raw_positions: bool, text: TextField, catalog: str | Path | None
) -> OriginalGallery:
    if text != "both":
        raise UserError(
            f"{records.directory}: the original's data has one text only; set text to both. Received: {text}"
        )
    return OriginalGallery(records, raw_positions)


register_gallery(OriginalRecords.KIND, _open)
