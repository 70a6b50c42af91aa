"""The texts and the photos of a split, each once: what retrieval looks for."""

from abc import ABC, abstractmethod

import numpy as np

from kaleido.errors import UserError
from kaleido.original.batches import batch_of
from kaleido.original.records import OriginalRecords
from kaleido.records.catalog_columns import catalog_of
from kaleido.records.corruption import clean_photos
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.retrieval.config import TextField
from kaleido.text import Tokenizer


class Gallery(ABC):
    """Texts, one a product, and photos, one or more a product.

    Args:
        records: Of one split.
        text_ids: Of each of T texts the id of its product.
        photo_ids: Of each of P photos its id.
        text_of_photo: int64 [P], the text of each photo's product, -1 where it is not among the texts.
        tokens: Of each text its piece ids with [CLS] and [SEP], int32.
        raw_positions: Give positions in pixels.

    Raises:
        UserError: if there are fewer than two texts or photos: nothing to choose from.
    """

    def __init__(
        self,
        records: SplitRecords,
        text_ids: list[str],
        photo_ids: list[str],
        text_of_photo: np.ndarray,
        tokens: list[np.ndarray],
        raw_positions: bool,
    ):
        if min(len(text_ids), len(photo_ids)) < 2:
            raise UserError(
                f"{records.directory}: retrieval needs two products at least; name another split. "
                f"Received: {records.split} with texts {len(text_ids)}, photos {len(photo_ids)}"
            )
        self.records = records
        self.text_ids, self.photo_ids = text_ids, photo_ids
        self.text_of_photo = text_of_photo
        self.text_lengths = np.array([len(ids) for ids in tokens])
        self._tokens = tokens
        self._raw_positions = raw_positions

    def texts(self, items: np.ndarray, width: int = 0) -> dict[str, np.ndarray]:
        """Some texts as a batch has them, `token_ids` and `token_mask`, padded to the longest or to a width."""
        lengths = self.text_lengths[items]
        mask = np.arange(max(width, lengths.max()))[None] < lengths[:, None]
        ids = np.zeros(mask.shape, np.int32)
        ids[mask] = np.concatenate([self._tokens[item] for item in items])
        return {"token_ids": ids, "token_mask": mask.astype(np.int32)}

    @abstractmethod
    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        """Some photos as a batch has them: `level1` to `level5` and `positions`."""


class PhotoGallery(Gallery):
    """Of records of photos.

    Args:
        records: Of one split.
        tokenizer: That their texts were cut with.
        max_text_length: Text positions at most, [CLS] and [SEP] included.
        raw_positions: Give positions in pixels.
        text: Which text of a product; what is not in the records is read from their catalogue.
        catalog: Where that is; beside the records if empty.
    """

    def __init__(
        self,
        records: PhotoRecords,
        tokenizer: Tokenizer,
        max_text_length: int = 64,
        raw_positions: bool = False,
        text: TextField = "both",
        catalog: str = "",
    ):
        _, first, text_of_photo = np.unique(records.index.product, return_index=True, return_inverse=True)
        if text == "both":
            pieces = [records.index.texts(np.array([row]), max_text_length - 2) for row in first]
            pieces = [ids[present] for ids, _, present in pieces]
        else:
            products = catalog_of(records, catalog).products
            texts = [getattr(products[number], text) for number in records.index.product[first]]
            if not any(texts):
                raise UserError(f"{records.directory}: no {records.split} product has a {text}; choose another text")
            pieces = [tokenizer.encode(words).ids[: max_text_length - 2] for words in texts]
        ends = np.array([tokenizer.cls_id], np.int32), np.array([tokenizer.sep_id], np.int32)
        examples = [records.example(row) for row in range(len(records))]
        super().__init__(
            records,
            [examples[row]["product_id"].decode() for row in first],
            [example["photo_id"].decode() for example in examples],
            text_of_photo,
            [np.concatenate([ends[0], ids, ends[1]]) for ids in pieces],
            raw_positions,
        )
        self.first_photos = first

    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        return clean_photos(self.records.views(items, self._raw_positions), self.records.feature_size)


class OriginalGallery(Gallery):
    """Of records that were made of the original's retrieval files, in which every line pairs a text and a photo.

    Args:
        records: Of one split.
        raw_positions: Give positions in pixels, as they are in the data.

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
