"""Makes the batches of `docs/design.md` from the columns of the original's files.

Level 5 is uncorrupted in the data, because the original zeroes the blanked patches inside its model; our batches have
them zeroed, with their features as targets. All other corruption is a fixed draw that is part of the data.
"""

from collections.abc import Collection

import numpy as np

from kaleido.constants import LEVEL_SLICES, PATCHES
from kaleido.original.schema import FEATURES, POSITIONS, Columns, Content

PHOTO_SIZE = 256
"""Width and height of Fashion-Gen's photos, in pixels."""

Examples = dict[str, np.ndarray]
"""The stored part of B examples: arrays of `NUMBERS`; `positions` int32 [B, 55, 5], [x1, x2, y1, y2, w*h] in pixels;
`features` [B, 55, D], in pre-training [B, 57, D] with the grey targets last."""

_TEXT = {"token_ids": "input_ids", "token_mask": "input_mask", "token_types": "segment_ids"}

NUMBERS: dict[Content, dict[str, str]] = {
    "pretraining": _TEXT
    | {
        "mlm_positions": "masked_lm_positions",
        "mlm_ids": "masked_lm_ids",
        "mlm_weights": "masked_lm_weights",
        "itm_label": "nx_sent_labels",
        "rotation_label": "img_rotate_gt",
        "jigsaw_label": "img_jigsaw_gt",
        "camouflage_label": "img_camouflage_gt",
        "grey_positions": "img_grey_lm_ids",
        "blank_positions": "img_blank_lm_ids",
    },
    "recognition": _TEXT | {"category_label": "img_category_id", "subcategory_label": "img_subcategory_id"},
    "retrieval": _TEXT | {"itm_label": "nx_sent_labels"},
}
"""Columns of the data by the name of their array in a batch; arrays named `*_label` are [B]."""

_IDS = {"text_product_id": "text_prod_id", "image_product_id": "image_prod_id", "photo_id": "prod_img_id"}

TEXTS: dict[Content, dict[str, str]] = {
    "pretraining": {},
    "recognition": _IDS | {"text": "prod_desc", "category": "img_category", "subcategory": "img_subcategory"},
    "retrieval": _IDS | {"text": "prod_desc"},
}
"""Columns of the data by the name of their list of texts in a batch."""


def to_examples(columns: Columns, content: Content, feature_dtype: type = np.float16) -> Examples:
    """Selects the stored part of some rows, with features as `feature_dtype`."""
    examples = {}
    for name, column in NUMBERS[content].items():
        examples[name] = columns[column][:, 0] if name.endswith("label") else columns[column]
    rows = len(columns["input_ids"])
    positions = [columns[name].reshape(rows, -1, 5) for name in POSITIONS]
    features = [*FEATURES, "img_grey_mask_gt"] if content == "pretraining" else FEATURES
    size = columns[FEATURES[0]].shape[1]
    patches = [columns[name].reshape(rows, -1, size) for name in features]
    examples["positions"] = np.concatenate(positions, axis=1)
    examples["features"] = np.concatenate(patches, axis=1, dtype=feature_dtype, casting="same_kind")
    return examples


def to_batch(
    columns: Columns,
    content: Content,
    photo_size: int = PHOTO_SIZE,
    raw_positions: bool = False,
    feature_dtype: type = np.float16,
) -> dict:
    """Makes a batch from rows of the data.

    Args:
        columns: Columns of some lines, from `TextFiles.batches`.
        content: Content of the schema.
        photo_size: Width and height of the photos, in pixels.
        raw_positions: Whether positions stay in pixels, as in the original; otherwise they are relative to the photo,
            in 0..1.
        feature_dtype: Type of the features; float32 keeps the precision of the data.

    Returns:
        Arrays of a batch, including `token_types` int32 [B, T]. The labels are those of the seven tasks for
        pre-training, `category_label` and `subcategory_label` int32 [B] for recognition, and `itm_label` for retrieval.
        Recognition and retrieval also have the lists of texts that `TEXTS` names.
    """
    examples = to_examples(columns, content, feature_dtype)
    texts = {name: columns[column].tolist() for name, column in TEXTS[content].items()}
    return batch_of(examples, photo_size, raw_positions) | texts


def batch_of(
    examples: Examples, photo_size: int, raw_positions: bool = False, left_out: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """Makes a batch from stored examples, without the arrays in `left_out`; see `to_batch`."""
    batch = {name: values for name, values in examples.items() if name not in ("features", *left_out)}
    batch["positions"] = examples["positions"].astype(np.float32)
    if not raw_positions:
        batch["positions"] /= np.array([photo_size] * 4 + [photo_size**2], np.float32)
    features = examples["features"]
    for level, place in enumerate(LEVEL_SLICES, 1):
        batch[f"level{level}"] = features[:, place].copy()
    if "grey_positions" in batch:
        batch["grey_targets"] = features[:, PATCHES:].copy()
    if "blank_positions" in batch:
        rows = np.arange(len(features))[:, None]
        batch["blank_targets"] = batch["level5"][rows, batch["blank_positions"]]
        batch["level5"][rows, batch["blank_positions"]] = 0
    batch["paired"] = examples.get("itm_label", np.ones(len(features))).astype(np.float32)
    return batch
