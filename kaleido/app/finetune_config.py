"""The configuration of fine-tuning."""

from dataclasses import dataclass, field
from typing import Literal

from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig


def _train_config() -> TrainConfig:
    return TrainConfig(epochs=20, optimizer_config=OptimizerConfig(learning_rate=2e-5))


@dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tuning of a pre-trained model on prepared records (paper section 4.2).

    Args:
        task: What to recognise: `category` or `subcategory`.
        records: Folder that `prepare` wrote.
        output: Folder of the run: model, checkpoints, logs, predictions.
        model: The saved model to start from, a run's `model` folder; one as `model_config` says if empty.
        mode: `train_and_evaluate`, or `evaluate` (the model of `output`).
        seed: Of initialisation, order and dropout.
        preprocess_config: From records to batches; nothing is masked.
        model_config: The architecture where no model is given.
        train_config: Training; 20 epochs at a learning rate of 2e-5 in the paper.
        evaluate_config: The split to report on, and how often to look at it.
    """

    task: Literal["category", "subcategory"]
    records: str
    output: str
    model: str = ""
    mode: Literal["train_and_evaluate", "evaluate"] = "train_and_evaluate"
    seed: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)
    model_config: ModelSection = field(default_factory=ModelSection)
    train_config: TrainConfig = field(default_factory=_train_config)
    evaluate_config: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self):
        check_range(self, "[0, 4_294_967_295]", "seed")
