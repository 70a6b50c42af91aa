"""Computes the tiny references in `tests/original/tiny_reference` with NumPy alone, by no code of the package.

    python tests/original/make_tiny_reference.py

The forward pass is written from the original's definition, in float64. Gradients are complex steps: the derivative for
a weight w is the imaginary part of the loss at w + ih, over h, exact to rounding for a tiny h. Only the checkpoint's
file format needs TensorFlow. `full` has segment tables of six rows and trains with Adam; in `short` they have three
rows, so the levels past their end add nothing and those tables have no gradient, and it trains with AdamW.
"""

import json
from pathlib import Path

import numpy as np
from original_files import GRID, LEVELS, original_columns, schema_string, write_columns

DIRECTORY = Path(__file__).parent / "tiny_reference"
VARIANTS = {"full": {"segments": 6, "decay": 0.0}, "short": {"segments": 3, "decay": 0.5}}

PREFIX = "kaleido_bert_pre_trained_model/"
VOCABULARY, HIDDEN, HEADS, INNER, BLOCKS, FEATURES, LENGTH, ROWS = 20, 4, 2, 6, 2, 3, 10, 3
STEPS, RATE, WARMUP, CLIP = 3, 0.01, 0.4, 1.0
TABLES = ("rotation", "jigsaw", "camouflage", "greymask", "blankmask")
HEAD_NAMES = {
    "rotation": ("cls/img_rotation/rotation_output_weights", "cls/img_rotation/rotation_output_bias"),
    "jigsaw": ("cls/img_jigsaw/jiasaw_output_weights", "cls/img_jigsaw/jigsaw_output_bias"),
    "camouflage": ("cls/img_camouflage/camouflage_output_weights", "cls/img_camouflage/camouflage_output_bias"),
}
CLASSES = {"rotation": 4, "jigsaw": 24, "camouflage": 9}
EPSILON = 1e-12


def shapes(segments: int) -> dict[str, tuple[int, ...]]:
    """The original's variables without their prefix."""

    def norm(name):
        return {f"{name}/gamma": (HIDDEN,), f"{name}/beta": (HIDDEN,)}

    def dense(name, inputs, outputs):
        return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}

    found = {
        "bert/embeddings/word_embeddings": (VOCABULARY, HIDDEN),
        "bert/embeddings/position_embeddings": (LENGTH, HIDDEN),
        "bert/embeddings/token_type_embeddings": (2, HIDDEN),
        **norm("bert/embeddings/LayerNorm"),
        "bert/position_dense": (5, HIDDEN),
    }
    for name in TABLES:
        scope = f"bert/{name.removesuffix('mask') if name == 'blankmask' else name}_embeddings/{name}"
        found[f"{scope}_projector"] = (FEATURES, HIDDEN)
        found[f"{scope}_type_embeddings"] = (segments, HIDDEN)
        found |= norm(f"{scope}EmbLayerNorm")
    for block in range(BLOCKS):
        layer = f"bert/encoder/layer_{block}"
        for name in ("attention/self/query", "attention/self/key", "attention/self/value", "attention/output/dense"):
            found |= dense(f"{layer}/{name}", HIDDEN, HIDDEN)
        found |= norm(f"{layer}/attention/output/LayerNorm")
        found |= dense(f"{layer}/intermediate/dense", HIDDEN, INNER)
        found |= dense(f"{layer}/output/dense", INNER, HIDDEN)
        found |= norm(f"{layer}/output/LayerNorm")
    found |= dense("bert/pooler/dense", HIDDEN, HIDDEN)
    found |= dense("cls/predictions/transform/dense", HIDDEN, HIDDEN)
    found |= norm("cls/predictions/transform/LayerNorm")
    found["cls/predictions/output_bias"] = (VOCABULARY,)
    found |= {"cls/seq_relationship/output_weights": (2, HIDDEN), "cls/seq_relationship/output_bias": (2,)}
    for (task, (weights, bias)), count in zip(HEAD_NAMES.items(), GRID):
        found |= {weights: (CLASSES[task], count * HIDDEN), bias: (CLASSES[task],)}
    found["cls/img_greymask/greymask_output_weights"] = (HIDDEN, FEATURES)
    found["cls/img_blankmask/blanmask_output_weights"] = (HIDDEN, FEATURES)
    return found


def random_weights(segments: int) -> dict[str, np.ndarray]:
    """Weights of which every one matters, as float32 holds them."""
    rng = np.random.default_rng(7)
    weights = {}
    for name, shape in shapes(segments).items():
        values = rng.normal(1.0 if name.endswith("gamma") else 0.0, 0.3, shape)
        if name == "bert/position_dense":
            # Positions are pixels, and the last an area.
            values *= np.array([[0.01]] * 4 + [[0.001]])
        weights[name] = values.astype(np.float32)
    return weights


def random_batch() -> dict[str, np.ndarray]:
    """Columns as the original's files have them."""
    columns = original_columns("pretraining", ROWS, FEATURES, LENGTH)
    rng = np.random.default_rng(11)
    lengths = np.array([[LENGTH], [LENGTH - 3], [LENGTH - 5]])
    columns["input_ids"] %= VOCABULARY
    columns["masked_lm_ids"] %= VOCABULARY
    columns["input_mask"] = (np.arange(LENGTH) < lengths).astype(np.int32)
    columns["segment_ids"] = rng.integers(0, 2, (ROWS, LENGTH), np.int32)
    columns["masked_lm_positions"] %= lengths.astype(np.int32)
    columns["nx_sent_labels"] = np.array([[1], [0], [1]], np.int32)
    columns["img_grey_lm_ids"] = np.stack([rng.permutation(16)[:2] for _ in range(ROWS)]).astype(np.int32)
    columns["img_blank_lm_ids"] = np.stack([rng.permutation(25)[:3] for _ in range(ROWS)]).astype(np.int32)
    for name, values in columns.items():
        if values.dtype == np.float32:
            columns[name] = values.round(4)
    return columns


def norm(x, weights, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return scaled * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def dense(x, weights, name):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def log_softmax(x):
    x = x - x.real.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def attention(x, bias, weights, scope):
    def heads(values):
        return values.reshape(*values.shape[:2], HEADS, -1).swapaxes(1, 2)

    query, key, value = (heads(dense(x, weights, f"{scope}/self/{name}")) for name in ("query", "key", "value"))
    scores = query @ key.swapaxes(2, 3) / np.sqrt(HIDDEN // HEADS) + bias
    mixed = np.exp(log_softmax(scores)) @ value
    return dense(mixed.swapaxes(1, 2).reshape(x.shape), weights, f"{scope}/output/dense")


def forward(weights: dict[str, np.ndarray], batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Logits and losses as `expected.npz` has them."""
    rows = np.arange(ROWS)[:, None]
    text = (
        weights["bert/embeddings/word_embeddings"][batch["input_ids"]]
        + weights["bert/embeddings/position_embeddings"]
        + weights["bert/embeddings/token_type_embeddings"][batch["segment_ids"]]
    )
    parts, targets = [norm(text, weights, "bert/embeddings/LayerNorm")], {}
    for segment, (level, table, count) in enumerate(zip(LEVELS, TABLES, GRID), 1):
        scope = f"bert/{'blank' if table == 'blankmask' else table}_embeddings/{table}"
        features = batch[f"img_feature_convert_{level}"].reshape(ROWS, count, FEATURES).astype(np.float64)
        if level == "blank_mask":
            targets["blank"] = features[rows, batch["img_blank_lm_ids"]]
            features[rows, batch["img_blank_lm_ids"]] = 0
        embedded = features @ weights[f"{scope}_projector"]
        embedded = (
            embedded + batch[f"img_loc_position_{level}"].reshape(ROWS, count, 5) @ weights["bert/position_dense"]
        )
        segments = weights[f"{scope}_type_embeddings"]
        if segment < len(segments):
            embedded = embedded + segments[segment]
        parts.append(norm(embedded, weights, f"{scope}EmbLayerNorm"))
    targets["grey"] = batch["img_grey_mask_gt"].reshape(ROWS, 2, FEATURES).astype(np.float64)
    x = np.concatenate(parts, axis=1)
    attended = np.concatenate([batch["input_mask"], np.ones((ROWS, sum(GRID)))], axis=1)
    bias = -10000.0 * (1 - attended)[:, None, None]
    for block in range(BLOCKS):
        scope = f"bert/encoder/layer_{block}"
        seen = attention(x, bias, weights, f"{scope}/attention")
        x = norm(x + seen, weights, f"{scope}/attention/output/LayerNorm")
        inner = gelu(dense(x, weights, f"{scope}/intermediate/dense"))
        x = norm(x + dense(inner, weights, f"{scope}/output/dense"), weights, f"{scope}/output/LayerNorm")
    levels = np.split(x, LENGTH + np.cumsum([0, *GRID[:-1]]), axis=1)[1:]
    pooled = np.tanh(dense(x[:, 0], weights, "bert/pooler/dense"))

    masked = gelu(dense(x[rows, batch["masked_lm_positions"]], weights, "cls/predictions/transform/dense"))
    masked = norm(masked, weights, "cls/predictions/transform/LayerNorm")
    words = masked @ weights["bert/embeddings/word_embeddings"].T + weights["cls/predictions/output_bias"]
    logits = {
        "mlm": words.reshape(-1, VOCABULARY),
        "itm": pooled @ weights["cls/seq_relationship/output_weights"].T + weights["cls/seq_relationship/output_bias"],
    }
    for level, (task, (kernel, bias_name)) in zip(levels, HEAD_NAMES.items()):
        logits[task] = level.reshape(ROWS, -1) @ weights[kernel].T + weights[bias_name]
    grey, blank = levels[3][rows, batch["img_grey_lm_ids"]], levels[4][rows, batch["img_blank_lm_ids"]]
    logits["grey"] = (grey @ weights["cls/img_greymask/greymask_output_weights"]).reshape(-1, FEATURES)
    logits["blank"] = (blank @ weights["cls/img_blankmask/blanmask_output_weights"]).reshape(-1, FEATURES)

    def cross_entropy(task, labels, counted=1.0):
        losses = -np.take_along_axis(log_softmax(logits[task]), labels.reshape(-1, 1), axis=1)[:, 0]
        counted = np.broadcast_to(counted, losses.shape)
        return (losses * counted).sum() / counted.sum()

    def divergence(task, log_targets):
        apart = log_targets.reshape(-1, FEATURES) - log_softmax(logits[task])
        return (np.exp(log_targets.reshape(-1, FEATURES)) * apart).sum(axis=-1).mean()

    losses = {
        "mlm": cross_entropy("mlm", batch["masked_lm_ids"], batch["masked_lm_weights"].ravel()),
        "itm": cross_entropy("itm", batch["nx_sent_labels"]),
        "rotation": cross_entropy("rotation", batch["img_rotate_gt"]),
        "jigsaw": cross_entropy("jigsaw", batch["img_jigsaw_gt"]),
        "camouflage": cross_entropy("camouflage", batch["img_camouflage_gt"]),
        # The original's softmax of the grey targets runs over both patches.
        "grey": divergence("grey", log_softmax(targets["grey"].reshape(ROWS, -1))),
        "blank": divergence("blank", log_softmax(targets["blank"])),
    }
    found = {f"{task}_logits": values for task, values in logits.items()} | {"pooled": pooled}
    found |= {f"loss_{task}": loss for task, loss in losses.items()}
    return found | {"loss_total": sum(losses.values())}


def gradients(weights: dict[str, np.ndarray], batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of the total loss, for each variable."""
    step, found = 1e-30, {}
    for name, values in weights.items():
        gradient = np.zeros(values.shape)
        for place in np.ndindex(values.shape):
            moved = values.astype(np.complex128)
            moved[place] += 1j * step
            gradient[place] = forward(weights | {name: moved}, batch)["loss_total"].imag / step
        found[name] = gradient
    return found


def train(weights: dict[str, np.ndarray], batch: dict[str, np.ndarray], decay: float) -> list[float]:
    """The total before each step of the original's Adam or AdamW, and after the last."""
    second = 0.999 if decay else 0.98
    moments = {name: (np.zeros(values.shape), np.zeros(values.shape)) for name, values in weights.items()}
    curve = []
    for step in range(STEPS):
        curve.append(forward(weights, batch)["loss_total"])
        found = gradients(weights, batch)
        clip = min(1.0, CLIP / np.sqrt(sum((gradient**2).sum() for gradient in found.values())))
        rate = RATE * (1 - step / STEPS) * min(step / int(WARMUP * STEPS), 1.0)
        rate *= np.sqrt(1 - second ** (step + 1)) / (1 - 0.9 ** (step + 1))
        for name, gradient in found.items():
            gradient = clip * gradient
            first = 0.9 * moments[name][0] + 0.1 * gradient
            squares = second * moments[name][1] + (1 - second) * gradient**2
            moments[name] = first, squares
            update = first / (np.sqrt(squares) + 1e-6)
            if "LayerNorm" not in name and "bias" not in name:
                update = update + decay * weights[name]
            weights = weights | {name: weights[name] - rate * update}
    return [*curve, forward(weights, batch)["loss_total"]]


def write_reference(directory: Path, segments: int, decay: float) -> None:
    import tensorflow as tf

    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": LENGTH,
        "type_vocab_size": 2,
        "patch_type_vocab_size": segments,
        "patch_feature_size": FEATURES,
    }
    training = {
        "learning_rate": RATE,
        "warmup_ratio": WARMUP,
        "train_steps": STEPS,
        "lr_decay": "polynomial",
        "weight_decay_ratio": decay,
        "clip_norm": CLIP,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (directory / "training.json").write_text(json.dumps(training, indent=1) + "\n")
    batch, weights = random_batch(), random_weights(segments)
    (directory / "schema.txt").write_text(schema_string(batch) + "\n")
    write_columns(directory / "batch.tsv", batch)
    np.savez_compressed(directory / "batch.npz", **batch)
    names = [PREFIX + name for name in weights]
    tf.raw_ops.SaveV2(
        prefix=str(directory / "tiny.ckpt-1"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=list(weights.values()),
    )
    weights = {name: values.astype(np.float64) for name, values in weights.items()}
    expected = {name: np.asarray(values, np.float32) for name, values in forward(weights, batch).items()}
    expected["grad_names"] = np.array(names)
    expected["grad_norms"] = np.array([np.linalg.norm(values) for values in gradients(weights, batch).values()])
    expected["loss_curve"] = np.array(train(weights, batch, decay), np.float32)
    np.savez_compressed(directory / "expected.npz", **expected)


if __name__ == "__main__":
    for variant, options in VARIANTS.items():
        write_reference(DIRECTORY / variant, **options)
