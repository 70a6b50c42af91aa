"""Fine-tuning for retrieval: a photo's own text against those of other products of its sub-category."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.model_folder import load_model
from kaleido.errors import UserError
from kaleido.model.config import LossConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.tasks.matching.hard_negatives import mistaken_texts
from kaleido.tasks.matching.matcher import Matcher
from kaleido.tasks.matching.two_tower import Towers
from kaleido.tasks.pretraining.objectives import PretrainingTasks

TASK = "itm"


class Matching(PretrainingTasks, Finetuning):
    """Image-text matching alone, on whole texts and photos, with hard negatives.

    What is saved is a model with the head `itm`, as pre-training leaves one, that `retrieve` takes; with towers where
    the configuration names them.

    Args:
        config: Records, folder of the run, the model to start from, training.

    Raises:
        UserError: if the towers are none, or of another backbone or vocabulary than the records.
    """

    pipeline_tasks = (TASK,)

    def __init__(self, config: FinetuneConfig):
        negatives = config.retrieval_config.negatives
        pairs = replace(
            config.preprocess_config,
            mismatch="same_subcategory",
            mismatch_probability=negatives / (negatives + 1),
        )
        Finetuning.__init__(self, replace(config, preprocess_config=pairs))
        others = dict.fromkeys(("mlm", "rotation", "jigsaw", "camouflage", "grey", "blank"), 0.0)
        PretrainingTasks.__init__(self, LossConfig(**others), self.architecture.compatibility)
        self._towers = self._load_towers(config.retrieval_config.towers)

    def build_model(self) -> keras.Model:
        keras.utils.set_random_seed(self.config.seed)
        self.model = Matcher(self.architecture) if self._towers else KaleidoBert(self.architecture, self.tasks)
        bert = self.model.bert if self._towers else self.model
        if self._towers:
            self.model.towers.set_weights(self._towers.get_weights())
        if self.start:
            bert.copy_body(self.start)
            if TASK in self.start.tasks:
                bert.heads[TASK].set_weights(self.start.heads[TASK].get_weights())
        return self.model

    def mistaken(self, records: SplitRecords) -> np.ndarray | None:
        count = self.config.retrieval_config.hardest
        if not count:
            return None
        if not isinstance(records, PhotoRecords):
            raise UserError(
                f"{records.directory}: the original's data has its pairs; leave retrieval_config.hardest 0. "
                f"Received: {count}"
            )
        length = self.config.preprocess_config.max_text_length
        return mistaken_texts(self._towers, records, self.tokenizer, length, count)

    def _load_towers(self, directory: str) -> Towers | None:
        if not directory:
            return None
        towers = load_model(Path(directory))
        if not isinstance(towers, Towers):
            raise UserError(f"{directory}: no towers; name the `model` folder of `finetune --task contrastive`")
        self._check_prepared(directory, towers.config)
        return towers
