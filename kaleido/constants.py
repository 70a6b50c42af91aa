"""Names of the pre-training tasks and sizes of the kaleido grids.

The task names are also the keys of logits, losses, metrics, configurations and log tags (paper section 3.5).
"""

from math import factorial

TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage", "grey", "blank")
CONTRASTIVE = "itc"
"""Image-text contrastive learning, an eighth task that is not part of the paper."""
EVERY_TASK = (*TASKS, CONTRASTIVE)
CLASSIFICATION_TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage", CONTRASTIVE)
RECONSTRUCTION_TASKS = ("grey", "blank")

LEVELS = (1, 2, 3, 4, 5)
"""Kaleido levels: level n divides the product's box into n x n patches (paper section 3.1)."""
PATCH_COUNTS = tuple(level * level for level in LEVELS)
PATCHES = sum(PATCH_COUNTS)
LEVEL_SLICES = tuple(
    slice(sum(PATCH_COUNTS[:index]), sum(PATCH_COUNTS[: index + 1])) for index in range(len(PATCH_COUNTS))
)
"""Slice of each level among the 55 patches: `patches[LEVEL_SLICES[n - 1]]` are those of level n."""


def patch_counts(patches: int) -> tuple[int, ...]:
    """Divides a number of patches, 5 to 55, among the levels in proportion to their own numbers, at least one each."""
    counts = [max(1, count * patches // PATCHES) for count in PATCH_COUNTS]
    # What rounding left over goes to the levels with most patches, and what is too much comes from them.
    for level in reversed(range(len(counts))):
        missing = patches - sum(counts)
        counts[level] = min(max(counts[level] + missing, 1), PATCH_COUNTS[level])
    return tuple(counts)


JIGSAW_CLASSES = factorial(4)
CLASSES = {"itm": 2, "rotation": 4, "jigsaw": JIGSAW_CLASSES, "camouflage": 9}
LEVEL_OF_TASK = {"rotation": 1, "jigsaw": 2, "camouflage": 3, "grey": 4, "blank": 5}
"""Level whose patches each task corrupts."""
