"""Corruption of patches, which the model learns to undo (paper section 3.5, AKPM).

A record holds every vector that a corruption can need, so a corruption is a choice of vectors.
"""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kaleido.constants import LEVEL_SLICES, PATCHES, patch_counts
from kaleido.records.draws import Draws, Stream
from kaleido.records.reader import PhotoView
from kaleido.vision.crops import COLOUR, GREY, LEVEL2, LEVEL3, LEVEL5, ROTATIONS

PERMUTATIONS = np.array(list(itertools.permutations(range(4))))
"""int64 [24, 4]: place i of jigsaw class c holds patch PERMUTATIONS[c, i]."""

WHOLE = {
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
        vectors = {level: np.tile(whole, (len(draws.indices), 1)) for level, whole in WHOLE.items()}
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

    def with_patches(self, count: int, draws: Draws) -> tuple["Corruption", np.ndarray]:
        """Leaves patches out of photos that are not corrupted.

        Args:
            count: Number of patches K that are left, as `patch_counts` divides it among the levels.
            draws: Draws of the rows.

        Returns:
            The corruption, and the patches that are left, int64 [B, K], in their order.
        """
        order, vectors, shown = draws.uniform(Stream.PATCH_DROPOUT, PATCHES), dict(self.vectors), []
        for level, (span, kept) in enumerate(zip(LEVEL_SLICES, patch_counts(count)), 1):
            chosen = np.sort(np.argsort(order[:, span], axis=1)[:, :kept], axis=1)
            vectors[f"level{level}"] = np.take_along_axis(vectors[f"level{level}"], chosen, axis=1)
            shown.append(span.start + chosen)
        return replace(self, vectors=vectors), np.concatenate(shown, axis=1)

    def rows(self, photos: np.ndarray, donors: np.ndarray) -> dict[str, np.ndarray]:
        """Chooses the rows of a table of vectors that a batch consists of.

        Args:
            photos: int64 [B], row of the table at which the vectors of each photo begin.
            donors: int64 [B], the same for each donor; not used without camouflage.

        Returns:
            The batch's `level1` to `level5`, `grey_targets` and `blank_targets`, as int64 [B, n]; 0, a row of zeros,
            for blanked patches.
        """
        rows = {name: photos[:, None] + chosen for name, chosen in self.vectors.items()}
        if "camouflage_label" in self.labels:
            replaced = self.labels["camouflage_label"][:, None].astype(np.int64)
            np.put_along_axis(rows["level3"], replaced, (donors + self.donor_vectors)[:, None], axis=1)
        if "blank_positions" in self.labels:
            np.put_along_axis(rows["level5"], self.labels["blank_positions"].astype(np.int64), 0, axis=1)
        return rows


def gather(
    table: np.ndarray, rows: Mapping[str, np.ndarray], allocate: Callable[[int], np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Copies rows of a table.

    Args:
        table: float16 [rows, D].
        rows: int64 [B, n] by name.
        allocate: Function that gives the memory to copy into, uint8 [size].

    Returns:
        float16 [B, n, D] by name, one after the other in memory.
    """
    wanted = np.concatenate([chosen.ravel() for chosen in rows.values()])
    size = len(wanted) * table.shape[1] * table.itemsize
    found = (allocate(size) if allocate else np.empty(size, np.uint8)).view(table.dtype).reshape(len(wanted), -1)
    # Clipping never happens; it is the mode in which NumPy writes straight into `out`.
    np.take(table, wanted, axis=0, out=found, mode="clip")
    ends = np.cumsum([chosen.size for chosen in rows.values()])
    return {
        name: part.reshape(*chosen.shape, -1) for (name, chosen), part in zip(rows.items(), np.split(found, ends[:-1]))
    }


def clean_photos(views: Sequence[PhotoView]) -> dict[str, np.ndarray]:
    """Builds a batch of photos to which nothing is done.

    Args:
        views: The photos, B of them.

    Returns:
        `level1` to `level5`, float16 [B, n, D], and `positions`, float32 [B, 55, 5].
    """
    levels = {level: np.stack([view.vectors[whole] for view in views]) for level, whole in WHOLE.items()}
    return levels | {"positions": np.stack([view.positions for view in views])}
