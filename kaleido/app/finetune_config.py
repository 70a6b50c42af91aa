"""Configuration of fine-tuning: sections that all tasks share, and those of the registered tasks."""

from dataclasses import dataclass, field, make_dataclass
from functools import cache
from typing import Literal

from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.registry import find_task, finetuning_tasks
from kaleido.errors import UserError
from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig


def _train_config() -> TrainConfig:
    return TrainConfig(epochs=20, optimizer_config=OptimizerConfig(learning_rate=2e-5))


@dataclass(frozen=True)
class FinetuneConfig:
    """Configuration of fine-tuning on prepared records (paper section 4.2).

    Args:
        task: Name of a registered task.
        records: Folder that `prepare` wrote.
        out: Folder of the run: model, checkpoints, logs, metrics, predictions.
        catalog: Folder of the records' catalogue, if it is not beside them; for tasks that read its columns.
        model: Saved model to start from, the `model` folder of a run; null trains one from scratch, of the architecture
            in `model_config`.
        mode: Stages to run: `train_and_evaluate`, `train`, or `evaluate` (the model of `out`).
        seed: Seed of initialisation, order and dropout.
        preprocess_config: Configuration of batches, without masking.
        model_config: Configuration of the architecture, if no model is given.
        train_config: Configuration of training; 20 epochs at a learning rate of 2e-5 in the paper.
        evaluate_config: Configuration of evaluation: split and interval.
    """

    task: str
    records: str
    out: str
    catalog: str | None = None
    model: str | None = None
    mode: Literal["train_and_evaluate", "train", "evaluate"] = "train_and_evaluate"
    seed: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)
    model_config: ModelSection = field(default_factory=ModelSection)
    train_config: TrainConfig = field(default_factory=_train_config)
    evaluate_config: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self):
        check_range(self, "[0, 4_294_967_295]", "seed")  # NumPy's and Keras' seeds have 32 bits
        application = find_task(self.task).application
        if not application.fine_tunes:
            raise UserError(f"task must be among {', '.join(finetuning_tasks())}. Received: {self.task}")
        application.check_config(self)


def finetune_config_class() -> type[FinetuneConfig]:
    """Makes the configuration class with the sections of all registered tasks."""
    sections = {name: kind for task in finetuning_tasks().values() for name, kind in task.application.sections.items()}
    return _with_sections(tuple(sections.items()))


@cache
def _with_sections(sections: tuple[tuple[str, type], ...]) -> type[FinetuneConfig]:
    lines = "".join(f"    {name}: {(kind.__doc__ or name).strip().splitlines()[0]}\n" for name, kind in sections)
    return make_dataclass(
        "FinetuneConfig",
        [(name, kind, field(default_factory=kind)) for name, kind in sections],
        bases=(FinetuneConfig,),
        frozen=True,
        namespace={"__doc__": f"{(FinetuneConfig.__doc__ or '').rstrip()}\n    {lines}", "__module__": __name__},
    )
