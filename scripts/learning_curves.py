"""Draws learning curves of contrastive pre-training: over steps, number of products, and size of the encoder.

    python scripts/learning_curves.py dataset/fashion-small/records --out runs/learning

Trains `pretrain_fashion_tiny` with 10 %, 30 % and all products and with three widths of the encoder, each in a folder
of its own; the same command goes on where it was stopped. Accuracy is the share of the rows of a batch whose own text,
or photo, is the most similar one of the batch, by chance 0.4 % at 256 rows. Writes `steps.png`, `products.png`,
`size.png` and `learning.json`.
"""

import argparse
import json
from pathlib import Path

import matplotlib
from safetensors.numpy import load_file

import kaleido
from kaleido.records.open import open_records

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PRODUCTS, WIDTHS = (0.1, 0.3, 1.0), (64, 128, 256)


def train(records: str, folder: Path, steps: int, share: float, width: int) -> dict:
    """Trains one model; returns its numbers, and its accuracies on validation products by step."""
    run = folder / f"products-{share}-width-{width}"
    options = {
        "preprocess_config.products": share,
        "model_config.hidden_size": width,
        "model_config.intermediate_size": 4 * width,
        "train_config.log_every": steps // 10,
        "evaluate_config.every": steps // 10,
    }
    kaleido.pretrain(records, run, config="pretrain_fashion_tiny", steps=steps, options=options)
    points = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "products": round(share * len(open_records(records, "train"))),
        "width": width,
        "weights": sum(array.size for array in load_file(run / "model" / "model.safetensors").values()),
        "steps": [point["step"] for point in points],
        "validation": [point["validation/accuracy/itc"] for point in points],
        "train": [point["accuracy/itc"] for point in points],
    }


def draw(path: Path, label: str, lines: dict, **options) -> None:
    """Draws one picture: lines of (x values, accuracies) by name."""
    figure, panel = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, (x, y) in lines.items():
        panel.plot(x, y, "o-", markersize=4, label=name)
    panel.set(xlabel=label, ylabel="accuracy among 256", ylim=(0, 1), **options)
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    given = parser.parse_args()
    every = {share: train(given.records, given.out, given.steps, share, 128) for share in PRODUCTS}
    sizes = [
        every[1.0] if width == 128 else train(given.records, given.out, given.steps, 1.0, width) for width in WIDTHS
    ]
    curves = {f"{run['products']:,} products": (run["steps"], run["validation"]) for run in every.values()}
    draw(given.out / "steps.png", "steps", curves)
    for name, key, runs in (("products", "products", [*every.values()]), ("size", "weights", sizes)):
        lines = {
            split: ([run[key] for run in runs], [run[split][-1] for run in runs]) for split in ("train", "validation")
        }
        draw(given.out / f"{name}.png", key, lines, xscale="log")
    (given.out / "learning.json").write_text(json.dumps({"products": every, "sizes": sizes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
