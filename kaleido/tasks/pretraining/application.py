"""Pre-training: seven tasks on photos and texts (paper sections 3.3 and 3.4)."""

from pathlib import Path

import keras

from kaleido.app.config import PretrainConfig
from kaleido.app.model_folder import is_model_directory, load_weights
from kaleido.app.records_application import RecordsApplication
from kaleido.model.bert import load_bert
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.pretraining.objectives import PretrainingTasks


class Pretraining(PretrainingTasks, RecordsApplication):
    """Kaleido-BERT with its seven heads.

    Args:
        config: Records, folder of the run, architecture, training.
    """

    description = "pre-train"

    def __init__(self, config: PretrainConfig):
        PretrainingTasks.__init__(self, config.train_config.loss_config, config.model_config.compatibility)
        RecordsApplication.__init__(self, config)

    @property
    def pipeline_tasks(self) -> tuple[str, ...]:
        return self.tasks

    @property
    def raw_positions(self) -> bool:
        return bool(self.compatibility.raw_positions)

    def build_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.config.seed)
        section = self.config.model_config
        feature_size = self.open_records("train").feature_size
        self.model = KaleidoBert(section.resolve(self.tokenizer.vocab_size, feature_size), self.tasks)
        if section.initial_weights:
            initialize = load_weights if is_model_directory(Path(section.initial_weights)) else load_bert
            initialize(self.model, Path(section.initial_weights))
        return self.model
