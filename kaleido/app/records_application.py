"""What applications share that are trained on prepared records, in a folder of their own."""

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kaleido.app.application import Application
from kaleido.app.checkpoints import CheckpointStore
from kaleido.app.cluster import Cluster, read_cluster
from kaleido.app.engine import Engine, evaluate
from kaleido.app.model_folder import is_model_directory, load_weights, save_model
from kaleido.app.run_folder import RUNTIME_KEYS, claim_folder
from kaleido.app.step import Step
from kaleido.app.steps import create_step
from kaleido.atomic import write_atomically
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.progress import tqdm
from kaleido.records.config import NO_TEXT
from kaleido.records.open import create_pipeline, open_records
from kaleido.records.reader import SplitRecords
from kaleido.records.stream import BatchStream
from kaleido.text import Tokenizer, load_tokenizer

METRICS_FILE = "metrics.json"

# These may change between the runs of one training; everything else would make it another training.
_FREE_KEYS = (
    *RUNTIME_KEYS,
    "output",
    "mode",
    "caption_config.beams",
    "caption_config.length_penalty",
    "caption_config.no_repeat_ngram",
    "recognition_config.unseen",
)


class RecordsApplication(Application):
    """An application with its records, its folder, and EasyTransfer's verbs to run it.

    Args:
        config: Has `records`, `output`, `seed`, `preprocess_config`, `train_config` and `evaluate_config`.

    Attributes:
        model: What `build_model` made.
        description: What the progress bar says of its training.
        names: Of the classes that it recognises.
    """

    model: KaleidoBert
    description: str
    names: Sequence[str] = ()

    def __init__(self, config: Any):
        self.config = config
        self.directory = Path(config.output)
        # Opened first: it compares the vocabulary's checksum.
        self.open_records("train")
        self.tokenizer: Tokenizer = load_tokenizer(Path(config.records))

    @property
    @abstractmethod
    def pipeline_tasks(self) -> tuple[str, ...]:
        """The pre-training tasks that batches are masked and corrupted for."""

    def labels(self, records: SplitRecords) -> dict[str, np.ndarray]:
        """By name the class of every record that batches are to have, int32."""
        return {}

    def mistaken(self, records: SplitRecords) -> np.ndarray | None:
        """Of every record others whose texts mismatched pairs of training show, as `Pipeline` has it; None for any."""
        return None

    @property
    @abstractmethod
    def raw_positions(self) -> bool:
        """Whether the model reads positions in pixels."""

    @property
    def task_config(self) -> dict[str, Any]:
        """What is saved with the model because it is used as it was trained."""
        return {"max_text_length": self.config.preprocess_config.max_text_length if self.shows_text else NO_TEXT}

    @property
    def shows_text(self) -> bool:
        """Whether photos are shown with their texts."""
        return True

    def finished_metrics(self) -> dict[str, float] | None:
        """The figures of a run that has nothing left to do, None of any other."""
        self._claim_directory()
        config = self.config
        total_steps = config.train_config.total_steps(len(self.open_records("train")))
        saved = total_steps in CheckpointStore(self.directory / "checkpoints", 1).steps()
        if not saved or not is_model_directory(self.directory / "model"):
            return None
        try:
            content = json.loads(self.metrics_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        same = content["records"] == config.records and content["split"] == config.evaluate_config.split
        return content["metrics"] if same and content["step"] == total_steps else None

    def run_train(self) -> None:
        """Trains to the last step and saves the model; goes on from the latest checkpoint."""
        self._train(evaluates=False)

    def run_train_and_evaluate(self) -> dict[str, float]:
        """Like `run_train`, with an evaluation every `evaluate_config.every` steps and at the end.

        Returns:
            The last evaluation, which is also in `metrics.json`.
        """
        metrics = self._train(evaluates=True)
        steps = self.config.train_config.total_steps(len(self.open_records("train")))
        self._write_metrics(metrics, steps)
        return metrics

    def run_evaluate(self) -> dict[str, float]:
        """Evaluates the saved model of the run and writes `metrics.json`."""
        step = create_step(self, self.config.train_config, total_steps=0)
        load_weights(self.model, self.directory / "model")
        metrics = self._evaluate(step)
        steps = CheckpointStore(self.directory / "checkpoints", 1).steps()
        self._write_metrics(metrics, steps[-1] if steps else None)
        return metrics

    @property
    def metrics_path(self) -> Path:
        """Where the last evaluation is written."""
        return self.directory / METRICS_FILE

    def run_predict(self, split: str) -> dict[str, np.ndarray]:
        """The saved model's predictions of a split's records, in their order.

        Returns:
            What `build_predictions` gives, and the labels of the batches, by name.
        """
        step = create_step(self, self.config.train_config, total_steps=0)
        load_weights(self.model, self.directory / "model")
        pipeline = self._pipeline(self.open_records(split), self.config.evaluate_config.batch_size, False, Cluster())
        found = []
        progress = tqdm(pipeline, f"predict {split}", pipeline.evaluation_steps, leave=False, unit="batch")
        for batch in progress:
            kept = {name: values for name, values in batch.items() if name.endswith("_label")}
            found.append(step.predict(batch) | kept)
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def export_model(self, directory: Path) -> None:
        """Saves the model with all that is needed to use it: config, weights, vocabulary, labels, preparation."""
        metadata = self.open_records("train").metadata
        save_model(directory, self.model, self.tokenizer, metadata, self.names, self.task_config)

    def _train(self, evaluates: bool) -> dict[str, float] | None:
        self._claim_directory()
        train_config = self.config.train_config
        records = self.open_records("train")
        total_steps = train_config.total_steps(len(records))
        step = create_step(self, train_config, total_steps)
        pipeline = self._pipeline(records, train_config.batch_size, True, step.cluster)
        engine = Engine(step, self.directory, train_config, total_steps, records.fingerprint, self.description)
        evaluation = partial(self._evaluate, step) if evaluates else None
        metrics = engine.train(pipeline, evaluation, self.config.evaluate_config.every)
        if step.cluster.is_chief:
            self.export_model(self.directory / "model")
        return metrics

    def _evaluate(self, step: Step, stop: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        config = self.config.evaluate_config
        # Whole batches: several workers take turns.
        pipeline = self._pipeline(self.open_records(config.split), config.batch_size, False, Cluster())
        return evaluate(step, pipeline, f"evaluate on {config.split}", stop)

    def _write_metrics(self, metrics: dict[str, float], step: int | None) -> None:
        content = {
            "records": self.config.records,
            "split": self.config.evaluate_config.split,
            "step": step,
            "metrics": metrics,
        }
        if read_cluster().is_chief:
            write_atomically(self.metrics_path, json.dumps(content, indent=1).encode() + b"\n")

    def open_records(self, split: str) -> SplitRecords:
        """The records of a split."""
        return open_records(Path(self.config.records), split)

    def _pipeline(self, records: SplitRecords, batch_size: int, training: bool, cluster: Cluster) -> BatchStream:
        mistaken = self.mistaken(records) if training else None
        return create_pipeline(
            records,
            self.config.preprocess_config,
            self.tokenizer,
            batch_size,
            self.config.seed,
            training,
            self.pipeline_tasks,
            cluster.rank,
            cluster.workers,
            raw_positions=self.raw_positions,
            labels=self.labels(records),
            hard_negatives=mistaken,
            show_text=self.shows_text,
        )

    def _claim_directory(self) -> None:
        claim_folder(self.directory, self.config, _FREE_KEYS)
