"""Corruption of patches, which the model learns to undo (paper section 3.5, AKPM).

A record holds every vector that a corruption can need, so a corruption is a choice of vectors.
"""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kaleido.constants import PATCHES
from kaleido.records.draws import Draws, Stream
from kaleido.records.reader import PhotoView
from kaleido.vision.crops import COLOUR, GREY, LEVEL2, LEVEL3, LEVEL5, ROTATIONS

PERMUTATIONS = np.array(list(itertools.permutations(range(4))))
"""int64 [24, 4]: place i of jigsaw class c holds patch PERMUTATIONS[c, i]."""

_WHOLE = {
    "level1": np.array([ROTATIONS.start]),
    "level2": np.r_[LEVEL2],
    "level3": np.r_[LEVEL3],
    "level4": np.r_[COLOUR],
    "level5": np.r_[LEVEL5],
}
"""The vectors of a photo that is not corrupted."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """The corruption of the photos of B rows.

    Attributes:
        vectors: Which of a record's 74 vectors each array of the batch holds: int64 [B, n].
        donor_vectors: int64 [B], the donor's vector that replaces a level 3 patch; empty without camouflage.
        labels: int32 labels of the tasks, as in the batch.
    """

    vectors: dict[str, np.ndarray]
    donor_vectors: np.ndarray
    labels: dict[str, np.ndarray]

    @classmethod
    def draw(cls, tasks: Collection[str], patches: dict[int, np.ndarray], draws: Draws) -> "Corruption":
        """Draws the corruptions of the given tasks.

        Args:
            tasks: Tasks to corrupt for; the levels of the others stay as they are and have no labels.
            patches: Places that masking chose in levels 3, 4 and 5.
            draws: Draws of the rows.
        """
        vectors = {level: np.tile(whole, (len(draws.indices), 1)) for level, whole in _WHOLE.items()}
        donor_vectors = np.zeros(0, np.int64)
        labels = {}
        if "rotation" in tasks:
            turns = draws.integers(Stream.ROTATION, 4)
            vectors["level1"] = ROTATIONS.start + turns[:, None]
            labels["rotation_label"] = turns
        if "jigsaw" in tasks:
            classes = draws.integers(Stream.JIGSAW, len(PERMUTATIONS))
            vectors["level2"] = LEVEL2.start + PERMUTATIONS[classes]
            labels["jigsaw_label"] = classes
        if "camouflage" in tasks:
            donor_vectors = LEVEL3.start + draws.integers(Stream.DONOR_CELL, 9)
            labels["camouflage_label"] = patches[3][:, 0]
        if "grey" in tasks:
            np.put_along_axis(vectors["level4"], patches[4], GREY.start + patches[4], axis=1)
            vectors["grey_targets"] = COLOUR.start + patches[4]
            labels["grey_positions"] = patches[4]
        if "blank" in tasks:
            vectors["blank_targets"] = LEVEL5.start + patches[5]
            labels["blank_positions"] = patches[5]
        return cls(vectors, donor_vectors, {name: label.astype(np.int32) for name, label in labels.items()})

    def apply(self, photos: Iterable[tuple[PhotoView, PhotoView]], feature_size: int) -> dict[str, np.ndarray]:
        """Copies the chosen vectors, and nothing else, out of the records.

        Args:
            photos: Photo and donor of each row; the donor is not read without camouflage.
            feature_size: Length D of a vector.

        Returns:
            The batch's `level1` to `level5`, `positions`, `grey_targets`, `blank_targets` and labels.
        """
        batch = {name: np.empty((*chosen.shape, feature_size), np.float16) for name, chosen in self.vectors.items()}
        batch["positions"] = np.empty((len(self.vectors["level1"]), PATCHES, 5), np.float32)
        for row, (photo, donor) in enumerate(photos):
            # As bytes, because NumPy first copies all of an unaligned array, and in a record vectors may lie so.
            source = photo.vectors.view(np.uint8)
            for name, chosen in self.vectors.items():
                np.take(source, chosen[row], axis=0, out=batch[name][row].view(np.uint8), mode="clip")
            batch["positions"][row] = photo.positions
            if "camouflage_label" in self.labels:
                batch["level3"][row, self.labels["camouflage_label"][row]] = donor.vectors[self.donor_vectors[row]]
        if "blank_positions" in self.labels:
            blanks = self.labels["blank_positions"]
            batch["level5"][np.arange(len(blanks))[:, None], blanks] = 0
        return batch | self.labels


def clean_photos(views: Sequence[PhotoView], feature_size: int) -> dict[str, np.ndarray]:
    """Builds a batch of photos to which nothing is done.

    Args:
        views: The photos, B of them.
        feature_size: Length D of a vector.

    Returns:
        `level1` to `level5`, float16 [B, n, D], and `positions`, float32 [B, 55, 5].
    """
    vectors = {level: np.tile(whole, (len(views), 1)) for level, whole in _WHOLE.items()}
    return Corruption(vectors, np.zeros(0, np.int64), {}).apply(zip(views, views), feature_size)
