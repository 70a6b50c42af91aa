"""The seven pre-training tasks, named once (paper section 3.4): logits, losses, metrics, config keys and log tags use
these names."""

from itertools import permutations

TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage", "grey", "blank")
CLASSIFICATION_TASKS = ("mlm", "itm", "rotation", "jigsaw", "camouflage")
RECONSTRUCTION_TASKS = ("grey", "blank")

LEVELS = (1, 2, 3, 4, 5)
PATCH_COUNTS = tuple(level * level for level in LEVELS)
PATCHES = sum(PATCH_COUNTS)

JIGSAW_CLASSES = len(list(permutations(range(4))))
CLASSES = {"itm": 2, "rotation": 4, "jigsaw": JIGSAW_CLASSES, "camouflage": 9}
LEVEL_OF_TASK = {"rotation": 1, "jigsaw": 2, "camouflage": 3, "grey": 4, "blank": 5}
"""The grid that each patch task corrupts."""
