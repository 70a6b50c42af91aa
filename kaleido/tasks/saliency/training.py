"""Training of the saliency network on wardrobe products in composited scenes (paper, section 1.1)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kaleido.app.application import TRAIN, Application
from kaleido.app.config import OptimizerConfig, TrainConfig
from kaleido.app.engine import Engine, evaluate
from kaleido.app.run_folder import claim_folder
from kaleido.app.step import Step
from kaleido.app.steps import create_step
from kaleido.records.config import PipelineConfig
from kaleido.records.stream import Batch, BatchStream
from kaleido.tasks.saliency.config import SaliencyConfig
from kaleido.tasks.saliency.figure import LOWER, UPPER, WHOLE
from kaleido.tasks.saliency.scenes import Cutout, draw_scene
from kaleido.vision.saliency.unet import SIDE, build_unet
from kaleido.vision.saliency.weights import save_network
from kaleido.wardrobe import draw_cutout

MODEL_FOLDER = "model"
"""Folder of the trained network within the run's folder."""

HELD_OUT_SEED = 4_000_000_000
"""Seed of the wardrobe whose products are never trained on."""

HELD_OUT_SCENES = 256
"""Number of scenes that training evaluates on."""

LOG_EVERY = 20
"""Steps between two points of the curves."""

_WORN = {"tops": UPPER, "outerwear": UPPER, "bottoms": LOWER, "dresses": WHOLE}

# These may change between the runs of one training; everything else would make it another training.
_FREE_KEYS = ("out", "workers", "save_every")


class WardrobeCutouts(Sequence[Cutout]):
    """Wardrobe products without their backdrops, each drawn when it is first asked for, and kept.

    Args:
        seed: Seed of the wardrobe.
        count: Number of products.
    """

    def __init__(self, seed: int, count: int):
        self._seed = seed
        self._cutouts: list[Cutout | None] = [None] * count

    def __len__(self) -> int:
        return len(self._cutouts)

    def __getitem__(self, index: int) -> Cutout:
        if self._cutouts[index] is None:
            category, pixels = draw_cutout(self._seed, index, SIDE)
            self._cutouts[index] = Cutout(pixels, _WORN.get(category, ""))
        return self._cutouts[index]


class SceneStream(BatchStream):
    """Batches of scenes: `photo` uint8 [B, 96, 96, 3] and `mask` uint8 [B, 96, 96], its values of 255.

    Each scene is a function of (seed, epoch, product), and every epoch shows every product once.
    """

    def batch(self, step: int) -> Batch:
        draws = self.draws(step)
        draws = draws[self._local(len(draws.indices))]
        scenes = [
            draw_scene(self.records, index, SIDE, (draws.seed, epoch, index))
            for epoch, index in zip(draws.epochs.tolist(), draws.indices.tolist())
        ]
        return {"photo": np.stack([s.photo for s in scenes]), "mask": np.stack([s.mask for s in scenes])}


class SaliencyTraining(Application):
    """Training of the saliency network, by cross-entropy and Dice of each photo, measured by intersection over union.

    Args:
        config: Configuration of the training.
    """

    metric_tags = ("loss/mask", "iou/mask")

    def __init__(self, config: SaliencyConfig):
        self.config = config
        self.directory = Path(config.out)
        self.model_directory = self.directory / MODEL_FOLDER

    def build_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.config.seed)
        self.model = build_unet()
        return self.model

    def build_logits(self, features: Mapping, mode: str) -> dict[str, Any]:
        return {"mask": self.model(features["photo"], training=mode == TRAIN)}

    def build_loss_weights(self, labels: Mapping) -> dict[str, Any]:
        return {"mask": ops.cast(ops.shape(labels["mask"])[0], "float32")}

    def build_loss(self, logits: Mapping, labels: Mapping, weights: Mapping) -> Any:
        return ops.sum(_losses(logits["mask"], _shares(labels))) / weights["mask"]

    def build_eval_metrics(self, logits: Mapping, labels: Mapping) -> dict[str, tuple[Any, Any]]:
        shares, rows = _shares(labels), self.build_loss_weights(labels)["mask"]
        found, true = logits["mask"] > 0, shares > 0.5
        both = ops.sum(ops.cast(ops.logical_and(found, true), "float32"), axis=(1, 2))
        either = ops.sum(ops.cast(ops.logical_or(found, true), "float32"), axis=(1, 2))
        return {
            "loss/mask": (ops.sum(_losses(logits["mask"], shares)), rows),
            "iou/mask": (ops.sum(both / ops.maximum(either, 1.0)), rows),
        }

    def build_predictions(self, output: Mapping) -> dict[str, Any]:
        return {"mask": ops.sigmoid(output["mask"])}

    def summarize(self, means: Mapping[str, float]) -> dict[str, float]:
        return {"loss/total": means["loss/mask"], **means}

    def run_train_and_evaluate(self) -> dict[str, float]:
        """Trains to the last step, going on from the latest checkpoint, and writes the network.

        Returns:
            Metrics on held-out scenes.
        """
        config = self.config
        claim_folder(self.directory, config, _FREE_KEYS)
        train = TrainConfig(
            batch_size=config.batch_size,
            steps=config.steps,
            log_every=LOG_EVERY,
            save_every=config.save_every,
            optimizer_config=OptimizerConfig(learning_rate=config.learning_rate, beta_2=0.99),
        )
        step = create_step(self, train, config.steps)
        engine = Engine(step, self.directory, train, config.steps, description="train saliency")
        pipeline = PipelineConfig(workers=config.workers)
        scenes = SceneStream(WardrobeCutouts(config.seed, config.products), pipeline, config.batch_size, config.seed)
        held_out = SceneStream(
            WardrobeCutouts(HELD_OUT_SEED, HELD_OUT_SCENES), pipeline, config.batch_size, training=False
        )
        metrics = engine.train(scenes, partial(self._evaluate, step, held_out), config.evaluate_every)
        save_network(self.model, self.model_directory)
        return metrics

    def _evaluate(
        self, step: Step, held_out: SceneStream, stop: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        return evaluate(step, held_out, "evaluate on held-out scenes", stop)


def _shares(labels: Mapping) -> Any:
    return ops.cast(labels["mask"], "float32") / 255


def _losses(logits: Any, shares: Any) -> Any:
    """Computes the mean cross-entropy of the pixels plus 1 - Dice of each photo: [B, H, W] -> [B]."""
    entropy = ops.relu(logits) - logits * shares + ops.softplus(-ops.abs(logits))
    likely = ops.sigmoid(logits)
    both = ops.sum(likely * shares, axis=(1, 2))
    dice = (2 * both + 1) / (ops.sum(likely, axis=(1, 2)) + ops.sum(shares, axis=(1, 2)) + 1)
    return ops.mean(entropy, axis=(1, 2)) + 1 - dice
