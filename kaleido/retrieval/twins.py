"""Products that a query cannot tell apart: those with the same text, as the model reads it, or the same photo."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kaleido.retrieval.candidates import CandidateLists
from kaleido.retrieval.config import Twins
from kaleido.retrieval.gallery import Gallery

_BLOCK = 256
"""Photos that are compared at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class TwinProducts:
    """Classes of products that share a text or photo, and what is done with the others of a query's class.

    Attributes:
        mode: `leave_out`, `right` or `wrong`, as in `ProtocolConfig.twins`.
        classes: int64 [T], class of each text's product; all different where twins count as wrong.
        of_photos: int64 [P], class of each photo's product; its own for a photo without a text.
        counts: Number of products that share their text, and of those that share a photo, with another.
    """

    mode: Twins
    classes: np.ndarray
    of_photos: np.ndarray
    counts: Mapping[str, int]

    @classmethod
    def find(cls, gallery: Gallery, mode: Twins) -> "TwinProducts":
        """Compares all texts and photos of a gallery, which reads every photo once."""
        texts, owners = len(gallery.text_ids), gallery.text_of_photo
        classes, counts = np.arange(texts), {}
        if mode != "wrong":
            by_text = gallery.equal_texts()
            by_photo = _equal_photos(gallery)
            owned = owners >= 0
            # Products, texts and photos are the nodes of a graph; twins are connected.
            links = np.concatenate([by_text, by_text.max() + 1 + by_photo[owned]])
            products = np.concatenate([np.arange(texts), owners[owned]])
            graph = coo_array(
                (np.ones(len(links), bool), (products, texts + links)), shape=(size := texts + links.max() + 1, size)
            )
            classes = connected_components(graph, directed=False)[1][:texts]
            counts = {"text": _sharing(by_text, np.arange(texts)), "photo": _sharing(by_photo[owned], owners[owned])}
        # A photo without a text is nobody's twin.
        alone = classes.max(initial=0) + 1 + np.arange(len(owners))
        return cls(mode, classes, np.where(owners >= 0, classes[owners], alone), counts)

    def resolved(self, lists: CandidateLists, scores: np.ndarray) -> tuple[CandidateLists, np.ndarray]:
        """Takes twins of the query's product out of scored lists; with `right` the positive has their best score.

        Args:
            lists: Candidate lists.
            scores: float32 [pairs].
        """
        texts, photos = lists.pairs
        twins = (self.classes[texts] == self.of_photos[photos]) & ~lists.labels
        if not twins.any() or self.mode == "wrong":
            return lists, scores
        if self.mode == "right":
            best = np.maximum.reduceat(np.where(twins | lists.labels, scores, -np.inf), lists.offsets[:-1])
            scores = scores.copy()
            scores[lists.labels] = best
        kept = ~twins
        lengths = np.add.reduceat(kept, lists.offsets[:-1], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return replace(lists, candidates=lists.candidates[kept], labels=lists.labels[kept], offsets=offsets), scores[
            kept
        ]


def _sharing(groups: np.ndarray, products: np.ndarray) -> int:
    """Counts the products of which a member is in a group with another product's."""
    pairs = np.unique(np.stack([groups, products]), axis=1)
    shared = np.bincount(pairs[0])[pairs[0]] > 1
    return len(np.unique(pairs[1][shared]))


def _equal_photos(gallery: Gallery) -> np.ndarray:
    """Numbers the photos so that those of equal features and positions have one number: int64 [P]."""
    numbers: dict[bytes, int] = {}
    found = []
    for start in range(0, len(gallery.photo_ids), _BLOCK):
        block = gallery.photos(np.arange(start, min(start + _BLOCK, len(gallery.photo_ids))))
        parts = [np.ascontiguousarray(block[name]) for name in ("level1", "level5", "positions")]
        for row in zip(*parts):
            key = hashlib.blake2b(b"".join(part.tobytes() for part in row), digest_size=16).digest()
            found.append(numbers.setdefault(key, len(numbers)))
    return np.array(found)
