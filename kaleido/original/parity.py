"""Compares our model, in compatibility mode, with results of the original release."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaleido.app.config import OptimizerConfig, TrainConfig
from kaleido.app.steps import create_step
from kaleido.atomic import write_atomically
from kaleido.constants import TASKS
from kaleido.errors import UserError
from kaleido.model.config import QUIRKS, Compatibility, LossConfig, ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.losses import total_loss
from kaleido.original.batches import to_batch
from kaleido.original.checkpoint import OriginalCheckpoint, require_tensorflow, variable_table
from kaleido.original.schema import Columns, Schema
from kaleido.original.text_files import TextFiles
from kaleido.tasks.pretraining.objectives import PretrainingTasks

BATCHES = ("batch.tsv", "batch.npz")
"""Files of a reference set, both with the same batch."""

TOLERANCE = 2e-4
"""Tolerated relative difference of logits, losses and gradient norms, from float32 sums in another order."""

CURVE_TOLERANCE = 1e-3
"""Tolerated relative difference of the loss over the training steps."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference between one result and that of the original.

    Attributes:
        key: Name of the result in `expected.npz`.
        absolute: Largest absolute difference.
        relative: Largest difference relative to the largest absolute value of the original's result; gradient norms
            are each relative to their own value.
        tolerance: Largest `relative` that counts as agreement.
    """

    key: str
    absolute: float
    relative: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Tells whether the difference is within its tolerance."""
        return self.relative <= self.tolerance


@dataclass(frozen=True, slots=True)
class ParityResult:
    """Result of the comparison with a reference set.

    Attributes:
        differences: Comparisons by batch file.
        results: Results of our model on `batch.tsv`, by the names of `expected.npz`.
    """

    differences: Mapping[Path, list[Difference]]
    results: Mapping[str, np.ndarray]

    @property
    def agrees(self) -> bool:
        """Tells whether every difference is within its tolerance."""
        return all(found.agrees for of_batch in self.differences.values() for found in of_batch)

    @property
    def table(self) -> str:
        """Table of the differences as text."""
        lines = []
        for path, differences in self.differences.items():
            lines += [str(path), f"{'':20}{'absolute':>12}{'relative':>12}{'allowed':>12}"]
            for found in differences:
                mark = "" if found.agrees else "  <- differs"
                lines.append(f"{found.key:20}{found.absolute:12.2e}{found.relative:12.2e}{found.tolerance:12.0e}{mark}")
        return "\n".join([*lines, "everything agrees" if self.agrees else "not everything agrees"])

    def save_results(self, path: Path) -> None:
        """Writes `results` as an `.npz`."""
        content = BytesIO()
        np.savez(content, **self.results)
        write_atomically(path, content.getvalue())


def run_parity(directory: Path, without: str | None = None) -> ParityResult:
    """Runs our model on a reference set and compares all results with those of the original.

    Args:
        directory: Folder of the reference set; see `Reference`.
        without: Name of a quirk to turn off, to see its effect.

    Raises:
        UserError: if the folder is not a reference set, there is no such quirk, or the backend is not TensorFlow.
    """
    require_tensorflow()
    reference = Reference(directory)
    compatibility = reference.compatibility(without)
    first, second = (reference.columns(name) for name in BATCHES)
    results = compute(reference, first, compatibility)
    # Both files have the same batch, so a second computation is needed only if they are read differently.
    same = all(np.array_equal(first[name], second[name]) for name in first)
    others = results if same else compute(reference, second, compatibility)
    differences = {
        reference.directory / name: compare(reference.expected, found)
        for name, found in zip(BATCHES, (results, others))
    }
    return ParityResult(differences, results)


class Reference:
    """A reference set: a folder of results of the original.

    Args:
        directory: Folder with `config.json`, `training.json`, `schema.txt`, `batch.tsv`, `batch.npz`, `expected.npz`
            and a checkpoint `*.ckpt-*`.

    Raises:
        UserError: if a file is missing or unreadable.
    """

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        found = sorted(self.directory.glob("*.ckpt-*.index"))
        if len(found) != 1:
            raise UserError(
                f"{directory}: a reference set needs exactly one checkpoint *.ckpt-*.index. Received: {len(found)}"
            )
        self.checkpoint = OriginalCheckpoint(found[0])
        self.training: tuple[int, OptimizerConfig] = self._training()
        self.expected = self._arrays("expected.npz")
        self.schema = Schema.parse(self._text("schema.txt").strip())

    def columns(self, name: str) -> Columns:
        """Reads the columns of `batch.tsv` or `batch.npz`."""
        if name.endswith(".tsv"):
            rows = self._text(name).count("\n") + 1
            return next(TextFiles([self.directory / name], self.schema).batches(rows))
        columns = self._arrays(name)
        if missing := [column.name for column in self.schema.columns if column.name not in columns]:
            raise UserError(f"{self.directory / name}: lacks {', '.join(missing)}, which schema.txt lists")
        return columns

    def compatibility(self, without: str | None = None) -> Compatibility:
        """Turns on all quirks except the named one.

        Raises:
            UserError: if there is no such quirk.
        """
        if without and without not in QUIRKS:
            raise UserError(f"--without must be one of {', '.join(QUIRKS)}. Received: {without}")
        return replace(Compatibility(original=True), **({without: False} if without else {}))

    def _training(self) -> tuple[int, OptimizerConfig]:
        """Reads the number of training steps and the configuration of the original's optimizer."""
        path = self.directory / "training.json"
        settings = self._json(path.name)
        try:
            if settings["lr_decay"] != "polynomial":
                raise UserError(f"{path}: lr_decay must be polynomial. Received: {settings['lr_decay']}")
            decay = float(settings["weight_decay_ratio"])
            return int(settings["train_steps"]), OptimizerConfig(
                name="adamw" if decay else "adam",
                learning_rate=float(settings["learning_rate"]),
                warmup_ratio=float(settings["warmup_ratio"]),
                weight_decay=decay,
                beta_2=0.999 if decay else 0.98,
                clip_norm=float(settings["clip_norm"]),
                original=True,
            )
        except KeyError as error:
            raise UserError(f"{path}: lacks {error.args[0]}") from None
        except (TypeError, ValueError) as error:
            raise UserError(f"{path}: {error}") from None

    def _text(self, name: str) -> str:
        try:
            return (self.directory / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.directory / name}: cannot be read: {error}") from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads(self._text(name))
        except ValueError as error:
            raise UserError(f"{self.directory / name}: not JSON: {error}") from None
        if not isinstance(content, dict):
            raise UserError(f"{self.directory / name}: not a JSON object")
        return content

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        try:
            with np.load(self.directory / name, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.directory / name}: cannot be read: {error}") from None


def compute(reference: Reference, columns: Columns, compatibility: Compatibility) -> dict[str, np.ndarray]:
    """Computes the results that `expected.npz` contains with our model, without dropout.

    Args:
        reference: Reference set with weights and training settings.
        columns: Columns of the batch.
        compatibility: Quirks to turn on.

    Returns:
        Results by name: `TASK_logits`, `pooled`, `loss_*`, `grad_names`, `grad_norms` and `loss_curve`.
    """
    config = replace(reference.checkpoint.model_config(), dropout=0.0, attention_dropout=0.0)
    config = replace(config, compatibility=compatibility)
    batch = to_batch(columns, "pretraining", raw_positions=bool(compatibility.raw_positions), feature_dtype=np.float32)
    model = _Model(config, reference.checkpoint).build_model()
    table = variable_table(model)
    tensors = {name: tf.convert_to_tensor(values) for name, values in batch.items()}
    with tf.GradientTape() as tape:
        logits = model(tensors)
        total, losses = total_loss(logits, tensors, LossConfig(), compatibility)
    # Segment tables can be shorter than the levels need; a table that is not used has a gradient of zero.
    gradients = tape.gradient(
        total,
        [target.variable.value for target in table.values()],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    results = {f"{task}_logits": _rows(logits[task]) for task in TASKS}
    results["pooled"] = keras.ops.convert_to_numpy(model.encode(tensors)[2])
    results |= {f"loss_{task}": np.float32(losses[task]) for task in TASKS}
    results["loss_total"] = np.float32(total)
    results["grad_names"] = np.array(list(table))
    results["grad_norms"] = np.array([np.linalg.norm(tf.convert_to_tensor(gradient)) for gradient in gradients])
    results["loss_curve"] = _loss_curve(reference, config, batch)
    return results


def compare(expected: Mapping[str, np.ndarray], results: Mapping[str, np.ndarray]) -> list[Difference]:
    """Compares the results with those of the original, key by key.

    Raises:
        UserError: if the original has a key, a shape or a variable that the results do not have.
    """
    norms = dict(zip(results["grad_names"], results["grad_norms"]))
    unknown = sorted(set(expected) - set(results)) + sorted(set(expected.get("grad_names", ())) - set(norms))
    if unknown:
        raise UserError(
            f"expected.npz contains results that this model does not compute. Received: {', '.join(unknown)}"
        )
    differences = []
    for key, theirs in expected.items():
        if key == "grad_names":
            continue
        ours = np.array([norms[name] for name in expected["grad_names"]]) if key == "grad_norms" else results[key]
        if ours.shape != theirs.shape:
            raise UserError(f"expected.npz: {key} must have the shape {ours.shape}. Received: {theirs.shape}")
        scale = np.max(np.abs(theirs))
        if key == "grad_norms":
            # Norms are compared one by one, because that of the positions is far larger than the others. The lower
            # bound is for the biases of the keys, whose gradient is 0 but for rounding.
            scale = np.maximum(np.abs(theirs), 1e-3 * np.median(theirs))
        apart = np.abs(ours.astype(np.float64) - theirs)
        relative = float(np.max(apart / np.maximum(scale, 1e-12)))
        tolerance = CURVE_TOLERANCE if key == "loss_curve" else TOLERANCE
        differences.append(Difference(key, float(np.max(apart)), relative, tolerance))
    return differences


class _Model(PretrainingTasks):
    """Pre-training application on the checkpoint of a reference set."""

    def __init__(self, config: ModelConfig, checkpoint: OriginalCheckpoint):
        super().__init__(LossConfig(), config.compatibility)
        self._config, self._checkpoint = config, checkpoint

    def build_model(self) -> KaleidoBert:
        self.model = KaleidoBert(self._config)
        self._checkpoint.load_into(self.model)
        return self.model


def _loss_curve(reference: Reference, config: ModelConfig, batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Computes the total loss on one batch before each training step, and after the last step."""
    steps, rule = reference.training
    application = _Model(config, reference.checkpoint)
    step = create_step(application, TrainConfig(batch_size=len(batch["paired"]), optimizer_config=rule), steps)

    def total(values):
        return application.summarize(dict(zip(application.metric_tags, values)))["loss/total"]

    curve = [total(step.fetch(step.train(batch))) for _ in range(steps)]
    sums = step.evaluate(batch)
    return np.array([*curve, total(sums[:, 0] / sums[:, 1])], np.float32)


def _rows(logits: Any) -> np.ndarray:
    """Reshapes logits as in the original: one row per masked token or patch."""
    logits = keras.ops.convert_to_numpy(logits)
    return logits.reshape(-1, logits.shape[-1])
