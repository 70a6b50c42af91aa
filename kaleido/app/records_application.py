"""Applications that are trained on prepared records, in a folder of their own."""

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from typing_extensions import TypedDict

from kaleido import configuration
from kaleido.app.application import Application
from kaleido.app.checkpoints import CheckpointStore
from kaleido.app.cluster import Cluster, read_cluster
from kaleido.app.config import EvaluateConfig
from kaleido.app.curves import save_curves
from kaleido.app.model_folder import SavedModel, load_weights, read_model_config, save_model
from kaleido.app.result import Result, task_result
from kaleido.app.run_folder import CHECKPOINTS, RUNTIME_KEYS, claim_folder, run_locked
from kaleido.app.signatures import MATCH, Signature, bert_signatures
from kaleido.atomic import write_atomically
from kaleido.errors import UserError
from kaleido.model.config import WEIGHT_SIZES
from kaleido.network_folder import Size, is_network_folder
from kaleido.progress import tqdm
from kaleido.records.config import NO_TEXT
from kaleido.records.open import create_pipeline, open_records
from kaleido.records.place import ALIGNER
from kaleido.records.reader import SplitRecords
from kaleido.records.stream import BatchStream, trained_records
from kaleido.rows import csv_bytes, jsonl_bytes
from kaleido.text import Tokenizer
from kaleido.untrusted import Finite, Text, read_json

if TYPE_CHECKING:
    import keras

    from kaleido.app.predictor import Predictor
    from kaleido.app.step import Step

METRICS_FILE = "metrics.json"
_PLACES = ("records", "catalog", "model", "out", "mode")


class _Metrics(TypedDict):
    records: Text
    split: Text
    step: int | None
    metrics: dict[Text, Finite]


class RecordsApplication(Application):
    """An application with its records, its folder, and EasyTransfer's methods to run it.

    A task is a subclass that `register_task` gives a name. It describes itself to other modules by the class attributes
    and class methods here; `docs/tasks.md` lists those that a new task has to override.

    Args:
        config: Configuration with `task`, `records`, `out`, `seed`, `preprocess_config`, `train_config` and
            `evaluate_config`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Attributes:
        sections: Configuration sections of the task by name; `finetune` takes them as options.
        free_keys: Dotted keys of these sections that may change while a training goes on.
        fine_tunes: Whether the task starts from a pre-trained model.
        description: Label of the progress bar of its training.
        answer: Name of the signature that `predict` runs; None for a task with a `create_predictor` of its own.
        provides: Names of the signatures that saved models of the task may have, and `caption` where `predict` gives
            captions; an error about one that a model lacks names the tasks that have it.
        protocol: Retrieval protocol by which a saved model is evaluated; None for the metrics of its training.
        names: Names of the classes that the model tells apart; saved with the model as its `labels`.
        weight_sizes: Sizes of `architecture` that the weights of a saved model have, compared before it is built; those
            of a Kaleido-BERT by default.
        saved_values: Further values, in JSON types, that `create_model` or `predict` need of the training records;
            saved with the model in its `task_config`.
    """

    sections: ClassVar[Mapping[str, type]] = {}
    free_keys: ClassVar[tuple[str, ...]] = ()
    fine_tunes: ClassVar[bool] = False
    description: ClassVar[str] = "train"
    answer: ClassVar[str | None] = MATCH
    provides: ClassVar[tuple[str, ...]] = ()
    protocol: ClassVar[str | None] = None
    weight_sizes: ClassVar[Mapping[str, Size]] = WEIGHT_SIZES

    names: Sequence[str] = ()
    saved_values: Mapping[str, Any] = {}

    def __init__(self, config: Any, saved: Path | None = None):
        self.directory = Path(config.out)
        self.model_directory = Path(saved) if saved else self.directory / "model"
        self.saved = read_model_config(saved) if saved else None
        # Opened first: it compares the vocabulary's checksum.
        records = open_records(Path(config.records), config.evaluate_config.split if saved else "train")
        self.config = config
        self.task: str = config.task
        self.tokenizer: Tokenizer = records.read_tokenizer()
        self._step: Step | None = None
        if self.saved:
            self.check_prepared(records, self.saved, self.model_directory)
            self.names = self.saved["labels"]
            sections = self.sections.keys()
            self.saved_values = {k: value for k, value in self.saved["task_config"].items() if k not in sections}

    # Description of the task.

    @classmethod
    @abstractmethod
    def config_class(cls) -> type:
        """Returns the class of the configuration of its training."""

    @classmethod
    def check_config(cls, config: Any) -> None:
        """Checks the part of a configuration that concerns this task, when it is read.

        Raises:
            UserError: naming the key that cannot be used.
        """

    @classmethod
    @abstractmethod
    def create_model(cls, content: Mapping[str, Any]) -> "keras.Model":
        """Makes the Keras model that a saved model's `config.json` describes; weights are loaded afterwards."""

    @classmethod
    def signatures(cls, model: "keras.Model") -> dict[str, Signature]:
        """Makes the functions of a saved model by name, for `predict`, the Python API and the SavedModel.

        By default those of the Kaleido-BERT in the model, `embed` and, with the head `itm`, `match`.
        """
        return bert_signatures(model)

    @classmethod
    def prediction(cls, outputs: Mapping[str, np.ndarray], labels: Sequence[str]) -> dict[str, Any]:
        """Makes the columns of `predict` of one photo.

        Args:
            outputs: Outputs of the signature `answer`, the photo's row of each.
            labels: Names of the classes, as saved with the model.
        """
        return {name: np.round(values.astype(float), 6).tolist() for name, values in outputs.items()}

    @classmethod
    def prediction_files(
        cls, rows: Sequence[Mapping[str, Any]], photos: Sequence[Callable[[], Any]]
    ) -> dict[str, bytes]:
        """Makes the files of `predict`, by name.

        Args:
            rows: Columns of every photo: its identification, then its prediction.
            photos: Functions that read each of these photos.
        """
        table = [[*rows[0]], *([*row.values()] for row in rows)]
        return {"predictions.csv": csv_bytes(table), "predictions.jsonl": jsonl_bytes(rows)}

    @classmethod
    def create_predictor(cls, saved: SavedModel, batch_size: int, **options: Any) -> "Predictor":
        """Makes the predictor of a saved model for photos and texts.

        Args:
            saved: Model of this task.
            batch_size: Photos per batch.
            options: Options of the task's sections that change how a trained model is used; None keeps the model's own.

        Raises:
            UserError: if the task has no such options, or the model does not have the signature `answer`.
        """
        from kaleido.app.predictor import SignaturePredictor

        if given := [name for name, value in options.items() if value is not None]:
            raise UserError(
                f"{saved.directory}: a model of the task {saved.content['task']} takes no such options. "
                f"Received: {', '.join(given)}"
            )
        return SignaturePredictor(saved, batch_size)

    @classmethod
    def create_scorer(cls, saved: SavedModel, gallery: Any, batch_size: int) -> Any:
        """Makes a scorer of the (text, photo) pairs of a gallery (`kaleido.retrieval.scorer.Scorer`).

        Raises:
            UserError: if the model was not trained to match texts and photos.
        """
        raise UserError(
            f"{saved.directory}: this model was not trained to match texts and photos (task itm or contrastive). "
            f"Received: a model of the task {saved.content['task']} with {', '.join(saved.content['heads'])}"
        )

    @classmethod
    def create_shortlist_scorer(cls, saved: SavedModel, gallery: Any, batch_size: int) -> Any:
        """Makes a fast scorer that selects the candidates for the matching head to rank.

        Raises:
            UserError: if the model contains no two-tower model.
        """
        raise UserError(
            f"{saved.directory}: this model embeds no texts and photos alone, as a shortlist needs; name a two-tower "
            "model in shortlist_model, or fine-tune with retrieval_config.two_tower_model or "
            "retrieval_config.contrastive"
        )

    @classmethod
    def result_files(cls, config: Any) -> tuple[str, ...]:
        """Lists the files, within the run's folder, that a finished training leaves with its evaluation."""
        return (METRICS_FILE, f"{config.task}-{config.evaluate_config.split}.json")

    # Requirements on the records.

    @property
    @abstractmethod
    def pipeline_tasks(self) -> tuple[str, ...]:
        """Pre-training tasks that batches are masked and corrupted for."""

    @property
    @abstractmethod
    def raw_positions(self) -> bool:
        """Tells whether the model reads positions in pixels."""

    @property
    def shows_text(self) -> bool:
        """Tells whether photos are shown with their texts."""
        return True

    def labels(self, records: SplitRecords) -> dict[str, np.ndarray]:
        """Targets of every record by name, int32 or float32; a batch has those of its rows as `NAME_label`."""
        return {}

    def hard_negatives(self, records: SplitRecords) -> np.ndarray | None:
        """Selects hard negatives of each record: records, int64 [n, K], -1 where there are fewer; None for any."""
        return None

    def open_records(self, split: str) -> SplitRecords:
        """Opens the records of a split."""
        return open_records(Path(self.config.records), split)

    def batches(self, split: str, training: bool = False, cluster: Cluster = Cluster()) -> BatchStream:  # noqa: B008
        """Makes the batches of a split: random ones for training, or whole ones in the order of the records.

        Args:
            split: `train`, `validation` or `test`.
            training: Whether the batches are for training.
            cluster: Workers that share each batch.
        """
        records, config = self.open_records(split), self.config
        return create_pipeline(
            records,
            config.preprocess_config,
            self.tokenizer,
            config.train_config.batch_size if training else config.evaluate_config.batch_size,
            config.seed,
            training,
            self.pipeline_tasks,
            cluster.rank,
            cluster.workers,
            raw_positions=self.raw_positions,
            labels=self.labels(records),
            hard_negatives=self.hard_negatives(records) if training else None,
            show_text=self.shows_text,
        )

    # EasyTransfer's methods.

    @classmethod
    def of_model(cls, directory: Path, records: Path, **options: Any) -> Self:
        """Makes the application of a saved model, to evaluate it on records.

        Args:
            directory: Folder of the model.
            records: Folder of records that were prepared like those of its training.
            options: Keys of `evaluate_config`, aliases or dotted keys; they override the configuration of its training.

        Raises:
            UserError: if the records are of another backbone or vocabulary, or an option cannot be used.
        """
        content = read_model_config(directory)
        training = {name: value for name, value in content["training"].items() if name not in _PLACES}
        values = {**training, "records": str(records), "out": str(directory)}
        if cls.fine_tunes:
            values["task"] = content["task"]
        kind, own = cls.config_class(), {field.name for field in fields(EvaluateConfig)}
        changed = {f"evaluate_config.{name}" if name in own else name: value for name, value in options.items()}
        values = configuration.dotted(kind, values) | configuration.dotted(kind, changed)
        return cls(configuration.build(kind, values), Path(directory))

    def run(self) -> Result | None:
        """Trains and evaluates as `mode` says; writes model, curves, metrics and the report into the run's folder.

        Returns:
            Result of the last evaluation; None in mode `train`, and on workers other than the chief.

        Raises:
            UserError: if another process trains in the folder, or it holds another training.
        """
        with run_locked(self.directory):
            return self._run()

    def _run(self) -> Result | None:
        if self.config.mode != "evaluate":
            if self.config.mode == "train":
                self.run_train()
            elif self.finished_metrics() is None:
                self.run_train_and_evaluate()
            if not read_cluster().is_chief:
                return None
        save_curves(self.directory)
        if self.config.mode == "train":
            return None
        result = self.evaluate()
        result.write(self.directory)
        return result

    def finished_metrics(self) -> dict[str, float] | None:
        """Returns the metrics of a finished run, None for any other run."""
        self._claim_directory()
        config = self.config
        total_steps = config.train_config.total_steps(len(self.open_records("train")))
        saved = total_steps in CheckpointStore(self.directory / CHECKPOINTS, 1).steps()
        if not saved or not is_network_folder(self.directory / "model"):
            return None
        try:
            content = read_json(self.metrics_path, _Metrics)
        except UserError:
            return None
        same = content["records"] == config.records and content["split"] == config.evaluate_config.split
        return content["metrics"] if same and content["step"] == total_steps else None

    def run_train(self) -> None:
        """Trains to the last step, from the latest checkpoint if there is one, and saves the model."""
        with run_locked(self.directory):
            self._train(evaluates=False)

    def run_train_and_evaluate(self) -> dict[str, float]:
        """Trains like `run_train`, with an evaluation every `evaluate_config.every` steps and at the end.

        Returns:
            Metrics of the last evaluation, which are also in `metrics.json`.
        """
        with run_locked(self.directory):
            metrics = self._train(evaluates=True)
            assert metrics is not None
            steps = self.config.train_config.total_steps(len(self.open_records("train")))
            self._write_metrics(metrics, steps)
        return metrics

    def run_evaluate(self) -> dict[str, float]:
        """Evaluates the saved model; writes `metrics.json` if it is the model of a run."""
        metrics = self._evaluate(self._saved_step())
        assert metrics is not None  # nothing stops this evaluation
        if not self.saved:
            steps = CheckpointStore(self.directory / CHECKPOINTS, 1).steps()
            self._write_metrics(metrics, steps[-1] if steps else None)
        return metrics

    def run_predict(self, split: str) -> dict[str, np.ndarray]:
        """Predicts a split's records with the saved model, in their order.

        Returns:
            Results of `build_predictions`, and the labels of the batches, by name.
        """
        step, batches = self._saved_step(), self.batches(split)
        found = []
        for batch in tqdm(batches, f"predict {split}", batches.evaluation_steps, leave=False, unit="batch"):
            kept = {name: values for name, values in batch.items() if name.endswith("_label")}
            found.append(step.predict(batch) | kept)
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    def evaluate(self) -> Result:
        """Evaluates the saved model on the split of `evaluate_config`; the metrics of a finished run are read.

        A task overrides this to report more than the means of `build_eval_metrics`.
        """
        metrics = self._known_metrics() or self.run_evaluate()
        return task_result(self.task, self.config.evaluate_config.split, metrics)

    def export_model(self, directory: Path, metrics: Mapping[str, float] | None = None) -> None:
        """Saves the model with everything that inference needs: weights, vocabulary, labels, preparation, text length.

        Args:
            directory: Folder to write.
            metrics: Metrics for the model card.
        """

        records = self.open_records("train")
        metadata = records.metadata
        training = {
            name: value
            for name, value in configuration.to_dict(self.config).items()
            if name not in (*_PLACES, *self.foreign_sections())
        }
        processor = {
            "text_length": self.config.preprocess_config.max_text_length if self.shows_text else NO_TEXT,
            "backbone": metadata.get("backbone"),
            "photos": metadata.get("config"),
            "vocabulary": metadata.get("vocabulary"),
        }
        save_model(
            directory,
            self.model,
            self.task,
            self.tokenizer,
            labels=self.names,
            task_config=self.task_config(),
            processor=processor,
            training=training,
            records={"fingerprint": records.fingerprint, "catalog": metadata.get("catalog")},
            metrics=metrics,
            aligner=records.directory / ALIGNER,
        )

    # Parts of these methods.

    def task_config(self) -> dict[str, Any]:
        """Makes the `task_config` of the saved model: the task's sections and `saved_values`."""
        sections = {name: configuration.to_dict(getattr(self.config, name)) for name in self.sections}
        return {**sections, **self.saved_values}

    @property
    def metrics_path(self) -> Path:
        """File of the last evaluation."""
        return self.directory / METRICS_FILE

    def foreign_sections(self) -> tuple[str, ...]:
        """Lists the configuration's sections that belong to other tasks."""
        return ()

    def start_fingerprint(self) -> str:
        """Returns the checksum of the weights that a training starts from; empty if they are random."""
        return ""

    @staticmethod
    def check_prepared(records: SplitRecords, content: Mapping[str, Any], directory: Path) -> None:
        """Checks that a saved model reads records that were prepared like these.

        Args:
            records: Records of any split.
            content: `config.json` of the model.
            directory: Its folder, for messages.

        Raises:
            UserError: if the model is of another backbone, feature size or vocabulary.
        """
        processor, metadata = content["processor"], records.metadata
        vocabulary = metadata.get("vocabulary") or {}
        # Records of other kinds than photos have no backbone, and models of the original no vocabulary.
        compared = {
            "backbone": (processor.get("backbone"), metadata.get("backbone")),
            "vocabulary": ((processor.get("vocabulary") or {}).get("sha256"), vocabulary.get("sha256")),
            "feature_size": (content["architecture"]["feature_size"], records.feature_size),
            "vocab_size": (content["architecture"]["vocab_size"], vocabulary.get("size")),
        }
        for key, (saved, prepared) in compared.items():
            if saved is not None and prepared is not None and saved != prepared:
                # Checksums are shown by their first digits.
                one, other = (f"{value:.8}..." if len(str(value)) == 64 else value for value in (saved, prepared))
                raise UserError(
                    f"{directory}: the model's {key} is {one} and that of {records.directory} {other}; "
                    "prepare the catalogue with the model's backbone and vocabulary"
                )

    def _known_metrics(self) -> dict[str, float] | None:
        return None if self.saved or self.config.mode == "evaluate" else self.finished_metrics()

    def _saved_step(self) -> "Step":
        from kaleido.app.steps import create_step

        if self._step is None:
            self._step = create_step(self, self.config.train_config, total_steps=0)
            load_weights(self.model, self.model_directory)
        return self._step

    def _train(self, evaluates: bool) -> dict[str, float] | None:
        from kaleido.app.engine import Engine, NotFinite
        from kaleido.app.features import hold_features
        from kaleido.app.steps import create_step

        self._claim_directory()
        train_config = self.config.train_config
        if evaluates:
            self._check_evaluation()
        records = self.open_records("train")
        total_steps = train_config.total_steps(len(trained_records(records, self.config.preprocess_config)))
        step, self._step = create_step(self, train_config, total_steps), None
        data = records.fingerprint + self.start_fingerprint()
        engine = Engine(step, self.directory, train_config, total_steps, data, self.description)

        def evaluation(stop: Callable[[], bool]) -> dict[str, float] | None:
            # What the training made is kept even if its last evaluation fails.
            if engine.finished and step.cluster.is_chief:
                self.export_model(self.directory / "model")
            return self._evaluate(step, stop)

        batches = self.batches("train", training=True, cluster=step.cluster)
        hold_features(step, "train", batches)
        try:
            metrics = engine.train(batches, evaluation if evaluates else None, self.config.evaluate_config.every)
        except NotFinite as error:
            try:
                records.verify()
            except UserError as damage:
                raise UserError(f"{damage}; {error}") from error
            raise
        if step.cluster.is_chief:
            self.export_model(self.directory / "model", metrics)
        return metrics

    def _check_evaluation(self) -> None:
        """Raises a `UserError` if the split of the evaluation cannot be evaluated, before anything is trained."""
        split = self.config.evaluate_config.split
        try:
            self.batches(split)
        except UserError as error:
            raise UserError(
                f"the training is to be evaluated on {split} products, and cannot be: {error}; or train without an "
                "evaluation by --mode train"
            ) from error

    def _evaluate(self, step: "Step", stop: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        from kaleido.app.engine import evaluate
        from kaleido.app.features import hold_features

        # Whole batches: several workers take turns.
        split = self.config.evaluate_config.split
        batches = self.batches(split)
        hold_features(step, "evaluate", batches)
        return evaluate(step, batches, f"evaluate on {split}", stop)

    def _write_metrics(self, metrics: dict[str, float], step: int | None) -> None:
        content = {
            "records": self.config.records,
            "split": self.config.evaluate_config.split,
            "step": step,
            "metrics": metrics,
        }
        if read_cluster().is_chief:
            write_atomically(self.metrics_path, json.dumps(content, indent=1).encode() + b"\n")

    def _claim_directory(self) -> None:
        claim_folder(self.directory, self.config, (*RUNTIME_KEYS, *self.free_keys), self.foreign_sections())
