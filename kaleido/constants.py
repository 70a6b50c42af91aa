"""Names and counts that every layer shares: the seven pre-training tasks and the kaleido grids.

Logits, losses, metrics, configuration keys and log tags use the task names (paper section 3.4).
"""

from itertools import permutations

TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage", "grey", "blank")
CLASSIFICATION_TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage")
RECONSTRUCTION_TASKS = ("grey", "blank")

LEVELS = (1, 2, 3, 4, 5)
"""Level n cuts the product's box into n x n cells (paper section 1.1)."""
PATCH_COUNTS = tuple(level * level for level in LEVELS)
PATCHES = sum(PATCH_COUNTS)
LEVEL_SLICES = tuple(
    slice(sum(PATCH_COUNTS[:index]), sum(PATCH_COUNTS[: index + 1])) for index in range(len(PATCH_COUNTS))
)
"""Where each level's cells lie among the 55: `cells[LEVEL_SLICES[n - 1]]` are those of level n."""

JIGSAW_CLASSES = len(list(permutations(range(4))))
CLASSES = {"itm": 2, "rotation": 4, "jigsaw": JIGSAW_CLASSES, "camouflage": 9}
LEVEL_OF_TASK = {"rotation": 1, "jigsaw": 2, "camouflage": 3, "grey": 4, "blank": 5}
"""The grid that each patch task corrupts."""
