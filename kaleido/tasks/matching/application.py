"""Fine-tuning for retrieval: matching photos with texts, with negatives of the same sub-category."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kaleido.app.finetune_config import FinetuneConfig
from kaleido.app.finetuning import Finetuning
from kaleido.app.model_folder import SavedModel, load_model
from kaleido.app.registry import register_task
from kaleido.app.result import Result
from kaleido.app.signatures import (
    EMBED,
    ENCODE_IMAGE,
    ENCODE_TEXT,
    MATCH,
    Signature,
    bert_signatures,
    body_of,
    embedding_signatures,
    match_outputs,
)
from kaleido.checksums import file_sha256
from kaleido.constants import CONTRASTIVE, EVERY_TASK
from kaleido.errors import UserError
from kaleido.model.config import LossConfig, ModelConfig
from kaleido.network_folder import WEIGHTS_FILE
from kaleido.records.reader import PhotoRecords, SplitRecords
from kaleido.tasks.matching.config import RetrievalConfig
from kaleido.tasks.matching.contrastive import Contrastive
from kaleido.tasks.matching.report import pair_result
from kaleido.tasks.pretraining.objectives import PretrainingTasks

if TYPE_CHECKING:
    import keras

    from kaleido.model.kaleido_bert import KaleidoBert
    from kaleido.retrieval.gallery import Gallery

TASK = "itm"


@register_task("retrieval", "to tell a photo's own text from the texts of other products")
class Matching(PretrainingTasks, Finetuning):
    """Fine-tunes image-text matching on texts and photos without masking, with hard negatives.

    The saved model has the head `itm`, like a pre-trained model, and a two-tower model if the configuration names one.
    With contrastive learning beside it, it has the head `itc` as well, and negatives are drawn from the batch.

    Args:
        config: Configuration of `finetune`.
        saved: Folder of a saved model to evaluate, instead of the model of the run.

    Raises:
        UserError: if the named model is not a two-tower model, or has another backbone or vocabulary than the records.
    """

    sections: ClassVar[Mapping[str, type]] = {"retrieval_config": RetrievalConfig}
    free_keys = ("retrieval_config.two_tower_model",)
    provides = (EMBED, MATCH, ENCODE_TEXT, ENCODE_IMAGE)
    protocol = "random100"

    def __init__(self, config: FinetuneConfig, saved: Path | None = None):
        negatives = config.retrieval_config.negatives
        pairs = replace(
            config.preprocess_config, mismatch="same_subcategory", mismatch_probability=negatives / (negatives + 1)
        )
        Finetuning.__init__(self, replace(config, preprocess_config=pairs), saved)
        weight = config.retrieval_config.contrastive
        if weight is None:
            heads = self.saved["heads"] if self.saved else self.start.heads if self.start else ()
            weight = float(CONTRASTIVE in heads and not config.retrieval_config.two_tower_model)
        losses = LossConfig(**{task: {TASK: 1.0, CONTRASTIVE: weight}.get(task, 0.0) for task in EVERY_TASK})
        PretrainingTasks.__init__(self, losses, self.architecture.compatibility)
        self._two_tower = None if saved else self._load_two_tower(config.retrieval_config.two_tower_model)

    @property
    def pipeline_tasks(self) -> tuple[str, ...]:
        return self.tasks

    @classmethod
    def create_model(cls, content: Mapping[str, Any]) -> "keras.Model":
        from kaleido.model.kaleido_bert import KaleidoBert
        from kaleido.tasks.matching.matcher import Matcher

        config = ModelConfig.from_dict(content["architecture"])
        return Matcher(config) if "contrastive" in content["heads"] else KaleidoBert(config, content["heads"])

    @classmethod
    def signatures(cls, model: "keras.Model") -> dict[str, Signature]:
        found = bert_signatures(model)
        if hasattr(model, "two_tower"):
            found[MATCH] = Signature(lambda batch: match_outputs(model(batch, training=False)[TASK]))
            found |= embedding_signatures(model.two_tower)
        return found

    @classmethod
    def create_scorer(cls, saved: SavedModel, gallery: "Gallery", batch_size: int) -> Any:
        if not hasattr(saved.model, "two_tower"):
            return super().create_scorer(saved, gallery, batch_size)
        from kaleido.tasks.matching.scorer import MatcherScorer

        return MatcherScorer(saved.model, gallery, batch_size)

    @classmethod
    def create_shortlist_scorer(cls, saved: SavedModel, gallery: "Gallery", batch_size: int) -> Any:
        if not hasattr(saved.model, "two_tower"):
            return super().create_shortlist_scorer(saved, gallery, batch_size)
        from kaleido.retrieval.cosine_scorer import two_tower_scorer

        return two_tower_scorer(saved.model.two_tower, gallery, batch_size)

    def content(self) -> Mapping[str, Any]:
        return {"heads": ("itm", "contrastive") if self._two_tower else self.tasks, **super().content()}

    def build_model(self) -> "keras.Model":
        model = super().build_model()
        if self._two_tower:
            model.two_tower.set_weights(self._two_tower.get_weights())
        return model

    def copy_start(self, start: "KaleidoBert") -> None:
        super().copy_start(start)
        body_of(self.model).copy_heads(start)

    def hard_negatives(self, records: SplitRecords) -> np.ndarray | None:
        count = self.config.retrieval_config.hard_negatives
        if not count:
            return None
        if not isinstance(records, PhotoRecords):
            raise UserError(
                f"{records.directory}: the original's data has fixed pairs; set retrieval_config.hard_negatives to 0. "
                f"Received: {count}"
            )
        from kaleido.tasks.matching.hard_negatives import hardest_texts

        length = self.config.preprocess_config.max_text_length
        return hardest_texts(self._two_tower, records, self.tokenizer, length, count)

    def start_fingerprint(self) -> str:
        directory = self.config.retrieval_config.two_tower_model
        return super().start_fingerprint() + (f" {file_sha256(Path(directory) / WEIGHTS_FILE)}" if directory else "")

    def evaluate(self) -> Result:
        split, negatives = self.config.evaluate_config.split, self.config.retrieval_config.negatives
        metrics = self._known_metrics() or self.run_evaluate()
        after = f"`kaleido retrieve --model {self.model_directory} ...` ranks with this model"
        return pair_result(metrics, f"matching, {split}", "negatives per positive", negatives, TASK, after)

    @classmethod
    def result_files(cls, config: FinetuneConfig) -> tuple[str, ...]:
        return ("metrics.json", "model/config.json")

    def _load_two_tower(self, directory: str | None) -> Any:
        if not directory:
            return None
        saved = load_model(Path(directory))
        if not issubclass(saved.application, Contrastive):
            raise UserError(
                f"{directory}: not a two-tower model; name the `model` folder of `finetune --task contrastive`. "
                f"Received: a model of the task {saved.content['task']}"
            )
        self.check_prepared(self.open_records("train"), saved.content, Path(directory))
        return saved.model
