"""A gallery of ids alone and a scorer of given scores, for tests of ranking."""

from types import SimpleNamespace

import numpy as np

from kaleido.retrieval.gallery import Gallery


class Shelf(Gallery):
    """Products that have nothing but ids; photos of text -1 belong to a product that is not there."""

    def __init__(self, text_of_photo, texts=None):
        texts = int(np.max(text_of_photo)) + 1 if texts is None else texts
        super().__init__(
            SimpleNamespace(directory="shelf", split="test"),
            [f"product-{number}" for number in range(texts)],
            [f"photo-{number}" for number in range(len(text_of_photo))],
            np.asarray(text_of_photo),
            [np.zeros(3, np.int32)] * texts,
            False,
        )

    def photos(self, items):
        raise NotImplementedError


class Table:
    """Scores from a table [photos, texts], pair by pair."""

    threshold = 0.5

    def __init__(self, table):
        self.table = table

    def scores(self, texts, photos):
        return self.table[photos, texts]
