"""Compares our model, in compatibility mode, with values that the original release computed."""

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
"""Files of a reference set that hold the same batch."""

TOLERANCE = 2e-4
"""Largest relative difference of logits, losses and gradient norms: float32, summed in another order."""

CURVE_TOLERANCE = 1e-3
"""Largest relative difference of the loss over the training steps."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between one result and the original's.

    Attributes:
        key: Its name in `expected.npz`.
        absolute: Largest absolute difference.
        relative: Over the largest absolute value of the original's; of gradient norms, over each on its own.
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
    """The comparison with a reference set.

    Attributes:
        differences: Comparisons by batch file.
        results: Everything that our model computed of `batch.tsv`, by the names of `expected.npz`.
    """

    differences: Mapping[Path, list[Difference]]
    results: Mapping[str, np.ndarray]

    @property
    def agrees(self) -> bool:
        """Tells whether every difference is within its tolerance."""
        return all(found.agrees for of_batch in self.differences.values() for found in of_batch)

    @property
    def table(self) -> str:
        """The differences, for people."""
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
    """Runs our model on a reference set and compares everything that the original computed.

    Args:
        directory: See `Reference`.
        without: One quirk to leave out, to see its effect.

    Raises:
        UserError: if the folder is no reference set, there is no such quirk, or the backend is not TensorFlow.
    """
    require_tensorflow()
    reference = Reference(directory)
    compatibility = reference.compatibility(without)
    first, second = (reference.columns(name) for name in BATCHES)
    results = compute(reference, first, compatibility)
    # The files hold the same batch, so that the second computation is needed only where one of them was misread.
    same = all(np.array_equal(first[name], second[name]) for name in first)
    others = results if same else compute(reference, second, compatibility)
    differences = {
        reference.directory / name: compare(reference.expected, found)
        for name, found in zip(BATCHES, (results, others))
    }
    return ParityResult(differences, results)


class Reference:
    """A reference set: a folder of values that the original computed.

    Args:
        directory: With `config.json`, `training.json`, `schema.txt`, `batch.tsv`, `batch.npz`, `expected.npz` and a
            checkpoint `*.ckpt-*`.

    Raises:
        UserError: if one of them is missing or unreadable.
    """

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        found = sorted(self.directory.glob("*.ckpt-*.index"))
        if len(found) != 1:
            raise UserError(f"{directory}: a reference set has one checkpoint *.ckpt-*.index. Received: {len(found)}")
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
        """Turns all quirks on but the named one.

        Raises:
            UserError: if there is no such quirk.
        """
        if without and without not in QUIRKS:
            raise UserError(f"--without takes one of {', '.join(QUIRKS)}. Received: {without}")
        return replace(Compatibility(original=True), **({without: False} if without else {}))

    def _training(self) -> tuple[int, OptimizerConfig]:
        """Reads the number of training steps, and the original's optimizer."""
        path = self.directory / "training.json"
        said = self._json(path.name)
        try:
            if said["lr_decay"] != "polynomial":
                raise UserError(f"{path}: lr_decay must be polynomial. Received: {said['lr_decay']}")
            decay = float(said["weight_decay_ratio"])
            return int(said["train_steps"]), OptimizerConfig(
                name="adamw" if decay else "adam",
                learning_rate=float(said["learning_rate"]),
                warmup_ratio=float(said["warmup_ratio"]),
                weight_decay=decay,
                beta_2=0.999 if decay else 0.98,
                clip_norm=float(said["clip_norm"]),
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
    """Computes everything that `expected.npz` holds by our model, without dropout.

    Args:
        reference: Weights and training settings.
        columns: The batch.
        compatibility: Quirks to have.

    Returns:
        Logits by task, `pooled`, `loss_*`, `grad_names` and `grad_norms`, `loss_curve`.
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
    # The segment table of a level past its end is never read: its gradient is zero.
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
    """Compares the results with the original's, key by key.

    Raises:
        UserError: if a key, a shape or a variable's name differs.
    """
    norms = dict(zip(results["grad_names"], results["grad_norms"]))
    unknown = sorted(set(expected) - set(results)) + sorted(set(expected.get("grad_names", ())) - set(norms))
    if unknown:
        raise UserError(f"expected.npz holds what this model does not compute. Received: {', '.join(unknown)}")
    differences = []
    for key, theirs in expected.items():
        if key == "grad_names":
            continue
        ours = np.array([norms[name] for name in expected["grad_names"]]) if key == "grad_norms" else results[key]
        if ours.shape != theirs.shape:
            raise UserError(f"expected.npz: {key} has another shape than {ours.shape}. Received: {theirs.shape}")
        scale = np.max(np.abs(theirs))
        if key == "grad_norms":
            # Each on its own, or small ones would drown beside that of the positions; but no smaller than rounding
            # makes those of the keys' biases, whose gradient is 0.
            scale = np.maximum(np.abs(theirs), 1e-3 * np.median(theirs))
        apart = np.abs(ours.astype(np.float64) - theirs)
        relative = float(np.max(apart / np.maximum(scale, 1e-12)))
        tolerance = CURVE_TOLERANCE if key == "loss_curve" else TOLERANCE
        differences.append(Difference(key, float(np.max(apart)), relative, tolerance))
    return differences


class _Model(PretrainingTasks):
    """The model of a reference set."""

    def __init__(self, config: ModelConfig, checkpoint: OriginalCheckpoint):
        super().__init__(LossConfig(), config.compatibility)
        self._config, self._checkpoint = config, checkpoint

    def build_model(self) -> KaleidoBert:
        self.model = KaleidoBert(self._config)
        self._checkpoint.load_into(self.model)
        return self.model


def _loss_curve(reference: Reference, config: ModelConfig, batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """Computes the total loss before each training step on one batch, and after the last."""
    steps, rule = reference.training
    application = _Model(config, reference.checkpoint)
    step = create_step(application, TrainConfig(batch_size=len(batch["paired"]), optimizer_config=rule), steps)

    def total(values):
        return application.summarize(dict(zip(application.metric_tags, values)))["loss/total"]

    curve = [total(step.fetch(step.train(batch))) for _ in range(steps)]
    sums = step.evaluate(batch)
    return np.array([*curve, total(sums[:, 0] / sums[:, 1])], np.float32)


def _rows(logits: Any) -> np.ndarray:
    """Shapes logits as the original does: one row a masked word or patch."""
    logits = keras.ops.convert_to_numpy(logits)
    return logits.reshape(-1, logits.shape[-1])
