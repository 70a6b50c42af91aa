"""Pre-training with the seven tasks of the paper."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaleido.app.cluster import read_cluster
from kaleido.app.config import PretrainConfig
from kaleido.app.model_folder import SavedModel, check_architecture, load_model
from kaleido.app.records_application import METRICS_FILE, RecordsApplication
from kaleido.app.registry import register_task
from kaleido.app.result import Result
from kaleido.app.signatures import EMBED, ENCODE_IMAGE, ENCODE_TEXT, MATCH, body_of
from kaleido.backend import keras
from kaleido.constants import EVERY_TASK
from kaleido.errors import UserError
from kaleido.model.config import LossConfig, ModelConfig
from kaleido.network_folder import is_network_folder
from kaleido.progress import tqdm
from kaleido.records.masking import resolve_masking
from kaleido.tasks.pretraining.objectives import PretrainingTasks
from kaleido.tasks.pretraining.report import pretraining_table

if TYPE_CHECKING:
    from kaleido.model.kaleido_bert import KaleidoBert


@register_task("pretraining", "to complete and match photos and texts by seven self-supervised tasks")
class Pretraining(PretrainingTasks, RecordsApplication):
    """Pre-trains Kaleido-BERT with its seven heads.

    Args:
        config: Configuration of `pretrain`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.
    """

    description = "pre-train"
    provides = (EMBED, MATCH, ENCODE_TEXT, ENCODE_IMAGE)

    def __init__(self, config: PretrainConfig, saved: Path | None = None):
        RecordsApplication.__init__(self, config, saved)
        records = self.open_records(config.evaluate_config.split if saved else "train")
        self.config = replace(config, preprocess_config=resolve_masking(config.preprocess_config, records))
        if config.preprocess_config.masking == "auto" and not saved and read_cluster().is_chief:
            tqdm.write(f"masking: {self.config.preprocess_config.masking} (auto)")
        if self.saved:
            self.architecture = ModelConfig.from_dict(self.saved["architecture"])
            losses = {task: getattr(config.train_config.loss_config, task) or 1.0 for task in self.saved["heads"]}
            loss_config = LossConfig(**{task: losses.get(task, 0.0) for task in EVERY_TASK})
        else:
            self.architecture = config.model_config.resolve(self.tokenizer.vocab_size, records.feature_size)
            loss_config = config.train_config.loss_config
        PretrainingTasks.__init__(self, loss_config, self.architecture.compatibility)

    @classmethod
    def config_class(cls) -> type[PretrainConfig]:
        return PretrainConfig

    @classmethod
    def create_model(cls, content: Mapping[str, Any]) -> "KaleidoBert":
        from kaleido.model.kaleido_bert import KaleidoBert

        return KaleidoBert(ModelConfig.from_dict(content["architecture"]), content["heads"])

    @property
    def pipeline_tasks(self) -> tuple[str, ...]:
        return self.tasks

    @property
    def raw_positions(self) -> bool:
        return bool(self.compatibility.raw_positions)

    def build_model(self) -> "KaleidoBert":
        from kaleido.model.bert import load_bert
        from kaleido.model.kaleido_bert import KaleidoBert

        keras.utils.set_random_seed(self.config.seed)
        self.model = KaleidoBert(self.architecture, self.tasks)
        initial = self.config.model_config.initial_weights
        if initial and not self.saved:
            if is_network_folder(Path(initial)):
                self._start_from(load_model(Path(initial)))
            else:
                load_bert(self.model, Path(initial))
        return self.model

    def _start_from(self, start: SavedModel) -> None:
        """Copies the body and the common heads of a saved pre-trained model; tells which heads it lacks."""
        check_architecture(start.directory, start.content, self.model)
        if body_of(start.model) is not start.model:
            raise UserError(
                f"{start.directory}: a fine-tuned model, of the task {start.content['task']}; name the `model` folder "
                "of a pre-training run in model_config.initial_weights"
            )
        self.model.copy_body(start.model)
        if lacking := self.model.copy_heads(start.model):
            tqdm.write(f"{start.directory}: lacks the heads {', '.join(lacking)}, which start from random weights")

    def evaluate(self) -> Result:
        metrics = self._known_metrics() or self.run_evaluate()
        # A training run has already written its `metrics.json`.
        content = {"task": self.task, "split": self.config.evaluate_config.split, "metrics": metrics}
        files = {METRICS_FILE: json.dumps(content, indent=1).encode() + b"\n"} if self.saved else {}
        return Result(metrics, pretraining_table(metrics), files)

    @classmethod
    def result_files(cls, config: PretrainConfig) -> tuple[str, ...]:
        return ("metrics.jsonl", "metrics.json", "model/config.json")
