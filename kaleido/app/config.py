"""Sections of an application's configuration, named as in EasyTransfer."""

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import ClassVar, Literal

from kaleido.errors import UserError
from kaleido.model.config import Compatibility, ContrastiveReads, LossConfig, ModelConfig
from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig


@dataclass(frozen=True)
class ModelSection:
    """Configuration of the architecture; vocabulary and feature size come from the records.

    Args:
        size: Named size: `tiny` (2 layers, 128 wide), `small` (6, 384) or `base` (12, 768, the paper's).
        num_layers: Number of encoder layers; null for that of the size.
        hidden_size: Width of the encoder; null for that of the size.
        num_heads: Number of attention heads; null for that of the size.
        intermediate_size: Width of the feed-forward layers; null for that of the size.
        max_position_embeddings: Longest text in tokens, [CLS] and [SEP] included.
        token_type_vocab_size: Rows of the text's segment table; 2 in BERT.
        segment_vocab_size: Rows of each level's segment table; level n uses row n.
        dropout: Dropout rate after embeddings, attention outputs and feed-forward outputs.
        attention_dropout: Dropout rate of attention probabilities.
        initializer_range: Standard deviation of the truncated normal that initialises kernels and tables.
        contrastive_reads: Vectors that the head of `itc` reads of a text alone or a photo alone: the encoder's
            `outputs`, or the `embeddings` of tokens and patches, for which the encoder does not run.
        initial_weights: BERT in the Hugging Face safetensors layout, or a saved pre-trained model, whose heads may be
            others; null for random weights.
        compatibility: Differences of the original release to reproduce, each off by default.
    """

    size: Literal["tiny", "small", "base"] = "base"
    num_layers: int | None = None
    hidden_size: int | None = None
    num_heads: int | None = None
    intermediate_size: int | None = None
    max_position_embeddings: int = 512
    token_type_vocab_size: int = 2
    segment_vocab_size: int = 6
    dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02
    contrastive_reads: ContrastiveReads = "outputs"
    initial_weights: str | None = None
    compatibility: Compatibility = field(default_factory=Compatibility)

    def __post_init__(self):
        check = partial(check_range, self, section="model_config")
        check("[1, 1000]", "num_layers", "num_heads")
        check("[1, 10_000_000]", "hidden_size", "intermediate_size", "max_position_embeddings")
        check("[1, 1000]", "token_type_vocab_size", "segment_vocab_size")
        check("[0, 1)", "dropout", "attention_dropout")
        check("(0, 1]", "initializer_range")

    def resolve(self, vocab_size: int, feature_size: int) -> ModelConfig:
        """Returns the architecture for a vocabulary size and a feature size."""
        shared = {field.name for field in fields(self)} & {field.name for field in fields(ModelConfig)}
        given = {name: value for name in shared if (value := getattr(self, name)) is not None}
        return ModelConfig.of_size(self.size, vocab_size=vocab_size, feature_size=feature_size, **given)


@dataclass(frozen=True)
class OptimizerConfig:
    """Configuration of the optimizer (paper section 4.1).

    Args:
        name: Update rule: `adam`, or `adamw` with decoupled weight decay.
        learning_rate: Highest learning rate, at the end of the warm-up.
        warmup_ratio: Share of the steps during which the learning rate rises from 0.
        weight_decay: Weight decay of `adamw`; not applied to biases and LayerNorm.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        clip_norm: Largest global norm of the gradient; 0 for no clipping.
        original: Whether to use the original release's rule: warm-up multiplies a rate that falls from the first step
            on, so that the first step has a rate of 0; `adamw` adds its decay to the update before both are multiplied
            by the bias-corrected rate. By default the value of `model_config.compatibility.original`.
    """

    name: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 1e-4
    warmup_ratio: float = 0.1
    weight_decay: float = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-6
    clip_norm: float = 1.0
    original: bool | None = None

    def __post_init__(self):
        check = partial(check_range, self, section="train_config.optimizer_config")
        check("(0, inf)", "learning_rate", "epsilon")
        check("[0, 1]", "warmup_ratio")
        check("[0, inf)", "weight_decay", "clip_norm")
        check("[0, 1)", "beta_1", "beta_2")


@dataclass(frozen=True)
class DistributionConfig:
    """Configuration of the devices that a step runs on.

    Args:
        strategy: Devices to use: `auto` for every visible GPU, or the CPU if there is none; `one` for a single device.
    """

    strategy: Literal["auto", "one"] = "auto"


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of training.

    Args:
        batch_size: Examples per step, over all devices.
        steps: Training steps; null to train for `epochs`.
        epochs: Passes over the training examples, if `steps` is null.
        accumulation: Parts that a batch is split into so that it fits into memory; the update is the same.
        precision: Precision of the computation: `float32`, or `mixed_bfloat16` with float32 weights.
        jit_compile: Whether to compile the step with XLA.
        deterministic: Whether every run gives the same result bit for bit, at some cost in speed.
        log_every: Steps between two points of the training curves.
        save_every: Steps between two checkpoints.
        keep_checkpoints: Number of latest checkpoints to keep; the best one is kept as well.
        tensorboard: Whether to write the curves as TensorBoard events as well.
        optimizer_config: Configuration of the optimizer.
        distribution_config: Configuration of the devices.
    """

    batch_size: int = 64
    steps: int | None = None
    epochs: float = 25
    accumulation: int = 1
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    log_every: int = 20
    save_every: int = 500
    keep_checkpoints: int = 2
    tensorboard: bool = True
    optimizer_config: OptimizerConfig = field(default_factory=OptimizerConfig)
    distribution_config: DistributionConfig = field(default_factory=DistributionConfig)

    def __post_init__(self):
        check = partial(check_range, self, section="train_config")
        check("[1, 1_000_000]", "batch_size", "accumulation")
        check("[1, inf)", "log_every", "save_every", "keep_checkpoints")
        check("[1, inf)", "steps")
        check("(0, inf)", "epochs")
        if self.batch_size % self.accumulation:
            raise UserError(
                f"train_config.batch_size must be a multiple of accumulation. Received: {self.batch_size} and "
                f"{self.accumulation}"
            )

    def total_steps(self, examples: int) -> int:
        """Returns the number of steps of the whole training on a number of examples."""
        return self.steps or max(1, round(self.epochs * examples / self.batch_size))


@dataclass(frozen=True)
class PretrainTrainConfig(TrainConfig):
    """Configuration of training, with the losses of pre-training.

    Args:
        loss_config: Weight of each task; 0 leaves the task out.
    """

    loss_config: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self):
        super().__post_init__()
        if not self.loss_config.tasks:
            raise UserError("train_config.loss_config leaves no task: give at least one a weight above 0")
        if self.loss_config.itc and self.batch_size // self.accumulation < 2:
            raise UserError(
                "train_config.loss_config.itc compares the rows of a batch; batch_size must be at least twice "
                f"accumulation. Received: {self.batch_size} and {self.accumulation}"
            )


@dataclass(frozen=True)
class EvaluateConfig:
    """Configuration of evaluation.

    Args:
        split: Split to evaluate on: `validation`, `test` or `train`.
        batch_size: Examples per step.
        every: Training steps between two evaluations in `train_and_evaluate`.
    """

    split: Literal["validation", "test", "train"] = "validation"
    batch_size: int = 64
    every: int = 500

    def __post_init__(self):
        check = partial(check_range, self, section="evaluate_config")
        check("[1, 1_000_000]", "batch_size")
        check("[1, inf)", "every")


@dataclass(frozen=True)
class PretrainConfig:
    """Configuration of pre-training on prepared records.

    Args:
        records: Folder that `prepare` wrote.
        out: Folder of the run: model, checkpoints, logs.
        mode: Stages to run: `train_and_evaluate`, `train`, or `evaluate` (the model of `out`).
        seed: Seed of initialisation, order, masking, corruption and dropout.
        preprocess_config: Configuration of batches.
        model_config: Configuration of the architecture.
        train_config: Configuration of training.
        evaluate_config: Configuration of evaluation.
    """

    task: ClassVar[str] = "pretraining"

    records: str
    out: str
    mode: Literal["train", "train_and_evaluate", "evaluate"] = "train_and_evaluate"
    seed: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)
    model_config: ModelSection = field(default_factory=ModelSection)
    train_config: PretrainTrainConfig = field(default_factory=PretrainTrainConfig)
    evaluate_config: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self):
        check_range(self, "[0, 4_294_967_295]", "seed")  # NumPy's and Keras' seeds have 32 bits
        if self.train_config.optimizer_config.original is None:
            rule = replace(self.train_config.optimizer_config, original=self.model_config.compatibility.original)
            object.__setattr__(self, "train_config", replace(self.train_config, optimizer_config=rule))
