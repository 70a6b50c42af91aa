"""Other products that are mixed in: their texts make false pairs, their patches are hidden in photos."""

from collections.abc import Callable

import numpy as np

from kaleido.records.draws import Draws, Stream
from kaleido.records.index import UNLABELLED, Index

GROUP = 8
"""Rows of a batch among which camouflage looks for donors; workers that take multiples of it read nothing twice."""

_TRIES = 16


class Partners:
    """Finds records of other products; each draw depends on the row's draws alone.

    Args:
        index: Index of the records.
    """

    def __init__(self, index: Index):
        self._index = index
        self._by_subcategory = np.argsort(index.subcategory, kind="stable")
        subcategory = index.subcategory[self._by_subcategory]
        self._first = np.searchsorted(subcategory, index.subcategory, side="left")
        self._last = np.searchsorted(subcategory, index.subcategory, side="right")
        self._last[index.subcategory == UNLABELLED] = self._first[index.subcategory == UNLABELLED]

    def texts(self, records: np.ndarray, draws: Draws, same_subcategory: bool) -> np.ndarray:
        """Draws records with another product's text, one that is not worded the same.

        Args:
            records: int64 [B].
            draws: Draws of the rows.
            same_subcategory: Whether to look in the record's sub-category first.

        Returns:
            int64 [B], -1 where all other products are worded the same.
        """

        def differs(record, candidates):
            return self._other_product(record, candidates) & (self._index.text[record] != self._index.text[candidates])

        everywhere = np.zeros_like(records), np.full_like(records, len(self._index))
        found = self._draw(records, draws, Stream.PARTNER, everywhere, differs)
        if not same_subcategory:
            return found
        near = self._draw(records, draws, Stream.PARTNER, (self._first[records], self._last[records]), differs)
        return np.where(near >= 0, near, found)

    def donors(self, records: np.ndarray, draws: Draws) -> np.ndarray:
        """Draws records of other products, from the same group of rows where it holds any.

        Args:
            records: int64 [B], all rows of the global batch.
            draws: Draws of the rows.

        Returns:
            int64 [B], records; of the whole split where a group holds one product only, -1 where the split does.
        """
        batch = len(records)
        places = np.arange(batch)[:, None] // GROUP * GROUP + np.arange(GROUP)
        inside = places < batch
        places = np.where(inside, places, 0)
        other = inside & self._other_product(records[:, None], records[places])
        wanted = np.floor(draws.uniform(Stream.DONOR) * other.sum(axis=1))[:, None]
        chosen = np.argmax(other & (np.cumsum(other, axis=1) - 1 == wanted), axis=1)
        donors = records[places[np.arange(batch), chosen]]
        alone = ~other.any(axis=1)
        everywhere = np.zeros(alone.sum(), np.int64), np.full(alone.sum(), len(self._index))
        donors[alone] = self._draw(records[alone], draws[alone], Stream.DONOR_RECORD, everywhere, self._other_product)
        return donors

    def _other_product(self, record, candidates) -> np.ndarray:
        return self._index.product[record] != self._index.product[candidates]

    def _draw(
        self,
        records: np.ndarray,
        draws: Draws,
        stream: Stream,
        span: tuple[np.ndarray, np.ndarray],
        accept: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Draws from spans of the records sorted by sub-category: a few tries, then a search of the whole span."""
        first, last = span
        tries = draws.uniform(stream, _TRIES)
        candidates = first[:, None] + (tries * (last - first)[:, None]).astype(np.int64)
        candidates = self._by_subcategory[np.minimum(candidates, len(self._by_subcategory) - 1)]
        accepted = accept(records[:, None], candidates) & (last > first)[:, None]
        found = candidates[np.arange(len(records)), np.argmax(accepted, axis=1)]
        for row in np.flatnonzero(~accepted.any(axis=1)):
            pool = self._by_subcategory[first[row] : last[row]]
            pool = pool[accept(records[row], pool)]
            found[row] = pool[int(tries[row, 0] * len(pool))] if len(pool) else -1
        return found
