"""Gallery of a split: the distinct texts and photos that retrieval searches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kaleido.errors import UserError
from kaleido.plugins import RECORDS, load_plugins
from kaleido.records.catalog_columns import catalog_of
from kaleido.records.corruption import clean_photos
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.text import Tokenizer

if TYPE_CHECKING:
    from kaleido.retrieval.candidates import CandidateLists

TextField = Literal["both", "title", "description"]


class Gallery(ABC):
    """Texts, one per product, and photos, one or more per product.

    Args:
        records: Records of one split.
        text_ids: Product ids of the T texts.
        photo_ids: Ids of the P photos.
        text_of_photo: int64 [P], number of the text of each photo's product; -1 if it is not among the texts.
        tokens: Token ids of each text, int32, including [CLS] and [SEP].
        raw_positions: Whether patch positions are in pixels.

    Attributes:
        query_texts, query_photos: Number of texts and photos, from the first on, that are queries of `full`; the others
            only compete. All, unless galleries are joined.

    Raises:
        UserError: if there are fewer than two texts or fewer than two photos.
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
                f"{records.directory}: retrieval needs at least two products; name another split. "
                f"Received: {records.split} with texts {len(text_ids)}, photos {len(photo_ids)}"
            )
        self.records = records
        self.text_ids, self.photo_ids = text_ids, photo_ids
        self.text_of_photo = text_of_photo
        self.query_texts, self.query_photos = len(text_ids), len(photo_ids)
        self.text_lengths = np.array([len(ids) for ids in tokens])
        self._tokens = tokens
        self._raw_positions = raw_positions

    def texts(self, items: np.ndarray, width: int = 0) -> dict[str, np.ndarray]:
        """Makes `token_ids` and `token_mask` int32 [n, W] of some texts, padded to the longest or to `width`."""
        lengths = self.text_lengths[items]
        mask = np.arange(max(width, lengths.max()))[None] < lengths[:, None]
        ids = np.zeros(mask.shape, np.int32)
        ids[mask] = np.concatenate([self._tokens[item] for item in items])
        return {"token_ids": ids, "token_mask": mask.astype(np.int32)}

    def equal_texts(self) -> np.ndarray:
        """Numbers the texts so that those of equal tokens have one number: int64 [T]."""
        numbers: dict[bytes, int] = {}
        return np.array([numbers.setdefault(ids.tobytes(), len(numbers)) for ids in self._tokens])

    @abstractmethod
    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        """Reads `level1` to `level5` and `positions` of some photos."""

    def own_lists(self, direction: str) -> "CandidateLists":
        """Returns the candidate lists that the records contain.

        Raises:
            UserError: if they contain none, or none of this direction.
        """
        raise UserError("protocol fixed needs a file of candidate lists; name it in lists")


class PhotoGallery(Gallery):
    """Gallery of photo records.

    Args:
        records: Records of one split.
        tokenizer: Tokenizer of their texts.
        max_text_length: Largest number of text positions, including [CLS] and [SEP].
        raw_positions: Whether patch positions are in pixels.
        text: Text of a product; `title` and `description` are read from the catalogue.
        catalog: Folder of the catalogue, if it is not beside the records.

    Attributes:
        first_photos: int64 [T], first record of each product.
    """

    def __init__(
        self,
        records: PhotoRecords,
        tokenizer: Tokenizer,
        max_text_length: int = 64,
        raw_positions: bool = False,
        text: TextField = "both",
        catalog: str | Path | None = None,
    ):
        _, first, text_of_photo = np.unique(records.index.product, return_index=True, return_inverse=True)
        if text == "both":
            index = records.index
            starts, lengths = index.token_offsets[first], index.text_lengths(first).clip(max=max_text_length - 2)
            tokens = [index.token_ids[start : start + length] for start, length in zip(starts, lengths)]
        else:
            products = catalog_of(records, catalog).products
            texts = [getattr(products[number], text) for number in records.index.product[first]]
            if not any(texts):
                raise UserError(f"{records.directory}: no {records.split} product has a {text}; choose another text")
            tokens = [tokenizer.encode(words).ids[: max_text_length - 2] for words in texts]
        ends = np.array([tokenizer.cls_id], np.int32), np.array([tokenizer.sep_id], np.int32)
        product_ids = records.product_ids()
        super().__init__(
            records,
            [product_ids[row] for row in first],
            records.photo_ids(),
            text_of_photo,
            [np.concatenate([ends[0], ids, ends[1]]) for ids in tokens],
            raw_positions,
        )
        self.first_photos = first

    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        return clean_photos(self.records.views(items, self._raw_positions))


class JoinedGallery(Gallery):
    """Several galleries as one: the texts and photos of the first are the queries, and all compete.

    Args:
        galleries: Galleries without a common product.
    """

    def __init__(self, galleries: Sequence[Gallery]):
        first = galleries[0]
        texts, self._starts = (
            np.cumsum([0, *(len(ids) for ids in sides)])[:-1]
            for sides in zip(*((gallery.text_ids, gallery.photo_ids) for gallery in galleries))
        )
        owners = [np.where((of := one.text_of_photo) >= 0, start + of, -1) for start, one in zip(texts, galleries)]
        super().__init__(
            first.records,
            [id for gallery in galleries for id in gallery.text_ids],
            [id for gallery in galleries for id in gallery.photo_ids],
            np.concatenate(owners),
            [ids for gallery in galleries for ids in gallery._tokens],
            first._raw_positions,
        )
        self.query_texts, self.query_photos = len(first.text_ids), len(first.photo_ids)
        self._galleries = galleries

    def photos(self, items: np.ndarray) -> dict[str, np.ndarray]:
        owners = np.searchsorted(self._starts, items, "right") - 1
        found: dict[str, np.ndarray] = {}
        for number in np.unique(owners):
            rows = owners == number
            for name, values in self._galleries[number].photos(items[rows] - self._starts[number]).items():
                found.setdefault(name, np.empty((len(items), *values.shape[1:]), values.dtype))[rows] = values
        return found


_GALLERIES: dict[str, Callable[..., Gallery]] = {}


def register_gallery(kind: str, create: Callable[..., Gallery]) -> None:
    """Registers the function that makes the gallery of a kind of records.

    Args:
        kind: `KIND` of the records.
        create: Function with the parameters of `open_gallery`.
    """
    _GALLERIES[kind] = create


def open_gallery(
    records: SplitRecords,
    text_length: int,
    raw_positions: bool = False,
    text: TextField = "both",
    catalog: str | Path | None = None,
) -> Gallery:
    """Makes the gallery of records of any kind.

    Args:
        records: Records of one split.
        text_length: Largest number of text positions, including [CLS] and [SEP].
        raw_positions: Whether patch positions are in pixels.
        text: Text of a product: `title`, `description`, or `both`.
        catalog: Folder of the catalogue, if it is not beside the records.

    Raises:
        UserError: if the records do not have such texts, or have too few products.
    """
    if records.KIND not in _GALLERIES:
        load_plugins(RECORDS)
    return _GALLERIES[records.KIND](records, text_length, raw_positions, text, catalog)


def _open_photos(records: PhotoRecords, text_length: int, *options: Any) -> PhotoGallery:
    return PhotoGallery(records, records.read_tokenizer(), text_length, *options)


register_gallery(PhotoRecords.KIND, _open_photos)
