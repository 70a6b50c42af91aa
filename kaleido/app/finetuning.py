"""Base class of fine-tuned tasks, which start from a pre-trained model (paper section 4.2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kaleido.app.finetune_config import FinetuneConfig, finetune_config_class
from kaleido.app.model_folder import load_model, read_model_config
from kaleido.app.records_application import RecordsApplication
from kaleido.app.registry import finetuning_tasks
from kaleido.app.signatures import body_of
from kaleido.backend import keras
from kaleido.checksums import file_sha256
from kaleido.errors import UserError
from kaleido.model.config import ModelConfig
from kaleido.network_folder import WEIGHTS_FILE

if TYPE_CHECKING:
    from kaleido.model.kaleido_bert import KaleidoBert

PRETRAINING = "pretraining"


class Finetuning(RecordsApplication):
    """An application that starts from a pre-trained model, or from scratch as the configuration says.

    Args:
        config: Configuration of `finetune`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Attributes:
        start: Pre-trained model; None if none is given.
        architecture: Architecture of the model to train or evaluate.

    Raises:
        UserError: if the model was fine-tuned already, or is of another backbone or vocabulary than the records.
    """

    description = "fine-tune"
    fine_tunes: ClassVar[bool] = True
    pipeline_tasks = ()

    def __init__(self, config: FinetuneConfig, saved: Path | None = None):
        super().__init__(config, saved)
        self.start: KaleidoBert | None = None
        if self.saved:
            self.architecture = ModelConfig.from_dict(self.saved["architecture"])
        elif config.model:
            self.start = self._load_start(Path(config.model))
            self.architecture = self.start.config
        else:
            feature_size = self.open_records("train").feature_size
            self.architecture = config.model_config.resolve(self.tokenizer.vocab_size, feature_size)

    @classmethod
    def config_class(cls) -> type[FinetuneConfig]:
        return finetune_config_class()

    @property
    def raw_positions(self) -> bool:
        return bool(self.architecture.compatibility.raw_positions)

    def foreign_sections(self) -> tuple[str, ...]:
        every = {name for task in finetuning_tasks().values() for name in task.application.sections}
        return tuple(sorted(every - self.sections.keys()))

    def start_fingerprint(self) -> str:
        return f" {file_sha256(Path(self.config.model) / WEIGHTS_FILE)}" if self.config.model else ""

    def build_model(self) -> "keras.Model":
        keras.utils.set_random_seed(self.config.seed)
        self.model = self.create_model(self.content())
        if self.start:
            self.copy_start(self.start)
        return self.model

    def copy_start(self, start: "KaleidoBert") -> None:
        """Copies the weights that a new model takes from the pre-trained one: by default the body without heads."""
        body_of(self.model).copy_body(start)

    def content(self) -> Mapping[str, Any]:
        """Returns the arguments of `create_model`: the keys of a saved model's `config.json`."""
        return self.saved or {
            "task": self.task,
            "architecture": self.architecture.to_dict(),
            "labels": list(self.names),
            "task_config": self.task_config(),
        }

    def _load_start(self, directory: Path) -> "KaleidoBert":
        content = read_model_config(directory)
        if content["task"] != PRETRAINING:
            raise UserError(
                f"{directory}: a fine-tuned model, of the task {content['task']}; name the `model` folder of a "
                "pre-training run"
            )
        self.check_prepared(self.open_records("train"), content, directory)
        return load_model(directory).model
