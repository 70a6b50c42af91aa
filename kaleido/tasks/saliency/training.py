"""Training of the saliency network on composited wardrobe scenes (part of the paper's Kaleido Patch Generator)."""

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
from kaleido.app.run_folder import claim_folder, run_locked
from kaleido.app.step import Step
from kaleido.app.steps import create_step
from kaleido.records.config import PipelineConfig
from kaleido.records.stream import Batch, BatchStream
from kaleido.tasks.saliency.config import SaliencyConfig
from kaleido.tasks.saliency.scenes import Cutout, draw_scene
from kaleido.tasks.saliency.wearer import LOWER, UPPER, WHOLE
from kaleido.vision.saliency.unet import SIDE, build_unet
from kaleido.vision.saliency.weights import save_network
from kaleido.wardrobe import draw_cutout

MODEL_FOLDER = "model"
"""Subfolder of the run for the trained network."""

HELD_OUT_SEED = 4_000_000_000
"""Seed of the wardrobe whose products are never used for training."""

HELD_OUT_SCENES = 256
"""Number of scenes for evaluation during training."""

LOG_EVERY = 20
"""Steps between points of the training curves."""

_WORN = {"tops": UPPER, "outerwear": UPPER, "bottoms": LOWER, "dresses": WHOLE}

# Keys that may change when a run is continued; a change of any other key makes it a different run.
_FREE_KEYS = ("out", "workers", "save_every")


class WardrobeCutouts(Sequence[Cutout]):
    """Wardrobe products without background, drawn on first access and cached.

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
    """Batches of scenes: `photo` uint8 [B, 96, 96, 3] and `mask` uint8 [B, 96, 96] in 0..255.

    Each scene is a function of (seed, epoch, product), and every epoch has each product once.
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
    """The saliency network with its loss (cross-entropy and Dice per photo) and its metric (IoU of the masks).

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
        """Trains to the last step, from the latest checkpoint if there is one, and saves the network.

        Returns:
            Metrics on held-out scenes.

        Raises:
            UserError: if another process trains in the folder, or it holds another training.
        """
        with run_locked(self.directory):
            return self._train()

    def _train(self) -> dict[str, float]:
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
        pipeline = PipelineConfig(workers=config.workers, worker_kind="threads")
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
    """Computes the mean pixel cross-entropy plus 1 - Dice of each photo: [B, H, W] -> [B]."""
    entropy = ops.relu(logits) - logits * shares + ops.softplus(-ops.abs(logits))
    likely = ops.sigmoid(logits)
    both = ops.sum(likely * shares, axis=(1, 2))
    dice = (2 * both + 1) / (ops.sum(likely, axis=(1, 2)) + ops.sum(shares, axis=(1, 2)) + 1)
    return ops.mean(entropy, axis=(1, 2)) + 1 - dice
