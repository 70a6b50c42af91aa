"""Writes files in the original release's layout, by other code than reads them."""

from pathlib import Path

import numpy as np

VOCABULARY_SIZE = 300
GRID = (1, 4, 9, 16, 25)
LEVELS = ("rotation", "jigsaw", "camouflage", "grey_mask", "blank_mask")


def original_columns(
    content: str, rows: int, feature_size: int = 4, text_length: int = 64, seed: int = 0
) -> dict[str, np.ndarray]:
    """Random columns of a published schema, in its order: int32 or float32 [rows, length], or texts [rows]."""
    rng = np.random.default_rng(seed)

    def ints(high: int, length: int) -> np.ndarray:
        return rng.integers(0, high, (rows, length), np.int32)

    def floats(length: int) -> np.ndarray:
        values = rng.exponential(0.5, (rows, length)).astype(np.float32)
        return np.where(rng.random(values.shape) < 0.1, np.float32(0), values)

    def texts(word: str) -> np.ndarray:
        return np.array([f"{word} é {row}" for row in range(rows)])

    text = {
        "input_ids": ints(VOCABULARY_SIZE, text_length),
        "input_mask": (np.arange(text_length) < 9).astype(np.int32) * np.ones((rows, 1), np.int32),
        "segment_ids": ints(1, text_length),
    }
    photo = {f"img_feature_convert_{level}": floats(n * feature_size) for level, n in zip(LEVELS, GRID)}
    photo["image_mask"] = np.ones((rows, 55), np.int32)
    photo |= {f"img_loc_position_{level}": ints(257, n * 5) for level, n in zip(LEVELS, GRID)}
    ids = {"image_prod_id": texts("photo of"), "prod_img_id": texts("image")}
    if content == "pretraining":
        weights = np.repeat([[1.0, 0.0]], 5, axis=1).reshape(1, -1).astype(np.float32)
        return {
            **text,
            "masked_lm_positions": ints(9, 10),
            "masked_lm_ids": ints(VOCABULARY_SIZE, 10),
            "masked_lm_weights": np.repeat(weights, rows, axis=0),
            **photo,
            "img_subtasks_flag": ints(2, 1),
            "img_grey_lm_ids": ints(16, 2),
            "img_blank_lm_ids": ints(25, 3),
            "img_rotate_gt": ints(4, 1),
            "img_jigsaw_gt": ints(24, 1),
            "img_camouflage_gt": ints(9, 1),
            "img_grey_mask_gt": floats(2 * feature_size),
            "nx_sent_labels": ints(2, 1),
        }
    head = {"text_prod_id": texts("product"), **text, "prod_desc": texts("a dress,")}
    if content == "retrieval":
        return {**head, "nx_sent_labels": ints(2, 1), **ids, **photo}
    labels = {
        "img_category": texts("category"),
        "img_category_id": ints(48, 1),
        "img_subcategory": texts("subcategory"),
        "img_subcategory_id": ints(122, 1),
    }
    return {**head, **ids, **photo, **labels}


def write_columns(path: Path, columns: dict[str, np.ndarray], end: str = "\n", last_end: bool = True) -> Path:
    """Writes one line a row; float32 with as many digits as tell it apart."""
    lines = []
    for row in range(len(next(iter(columns.values())))):
        fields = [
            values[row] if values.ndim == 1 else ",".join(str(number) for number in values[row])
            for values in columns.values()
        ]
        lines.append("\t".join(fields))
    path.write_bytes((end.join(lines) + end * last_end).encode())
    return path


def schema_string(columns: dict[str, np.ndarray]) -> str:
    types = {"i": "int", "f": "float", "U": "str"}
    return ",".join(
        f"{name}:{types[values.dtype.kind]}:{1 if values.ndim == 1 else values.shape[1]}"
        for name, values in columns.items()
    )


def write_vocabulary(path: Path) -> Path:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [f"w{number}" for number in range(VOCABULARY_SIZE - len(tokens))]
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return path
