"""The configuration of fine-tuning."""

from dataclasses import dataclass, field
from typing import Literal

from kaleido.app.config import EvaluateConfig, ModelSection, OptimizerConfig, TrainConfig
from kaleido.app.registry import FINETUNING_TASKS
from kaleido.errors import UserError
from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig


@dataclass(frozen=True)
class CaptionConfig:
    """How captions are learned and written; only for the task `caption`.

    Args:
        decoder: `causal`, piece by piece from left to right, or `mask_predict`, the paper's: all at once, where the
            text is [MASK].
        long_texts: What a text does that is longer than `preprocess_config.max_text_length`: `refuse` to train, or
            `cut` it.
        rounds: Of `mask_predict`: how often to predict, 1 in the paper; with more, training also shows parts of texts.
        beams: Of `causal`: captions kept at a time; 1 is greedy decoding.
        length_penalty: Of `causal`: captions are ranked by log-probability / pieces ** length_penalty.
        no_repeat_ngram: Of `causal`: no sequence of so many pieces occurs twice in a caption; 0 to allow it.
    """

    decoder: Literal["causal", "mask_predict"] = "causal"
    long_texts: Literal["refuse", "cut"] = "refuse"
    rounds: int = 1
    beams: int = 4
    length_penalty: float = 1.0
    no_repeat_ngram: int = 3

    def __post_init__(self):
        check_range(self, "[1, 100]", "rounds", "beams", section="caption_config")
        check_range(self, "[0, 100]", "no_repeat_ngram", "length_penalty", section="caption_config")


@dataclass(frozen=True)
class RecognitionConfig:
    """What is recognised; only for the tasks `category`, `subcategory` and `attribute`.

    Args:
        column: Of the catalogue, for the task `attribute`.
        catalog: That the records were made of, where it is not beside them; for `column`.
        text: Whether texts are read; otherwise products are recognised from the photo alone.
        unseen: What an evaluated product does whose class no training product has: `refuse` to begin, or `ignore` it,
            as if it had no label.
        balance: How much rare classes count in training: the loss of a product whose class has n products is weighted
            by n ** -balance. 0, as in the paper, counts all products the same; 1 counts all classes the same.
    """

    column: str = ""
    catalog: str = ""
    text: bool = True
    unseen: Literal["refuse", "ignore"] = "refuse"
    balance: float = 0.0

    def __post_init__(self):
        check_range(self, "[0, 1]", "balance", section="recognition_config")


@dataclass(frozen=True)
class RetrievalConfig:
    """What retrieval learns from; only for the task `retrieval`.

    Args:
        negatives: Photos with another product's text, of the same sub-category where there is one, for each with its
            own.
        towers: The `model` folder of a run of the task `contrastive`, whose opinion the matching head adds to, and
            which makes `retrieve`'s shortlist; none, as in the paper, if empty.
        hardest: Draw negatives from so many texts that the towers find most like the photo's own, instead of from its
            sub-category; 0 for none. What is evaluated meanwhile keeps to the sub-category.
    """

    negatives: int = 1
    towers: str = ""
    hardest: int = 0

    def __post_init__(self):
        check_range(self, "[1, 1000]", "negatives", section="retrieval_config")
        check_range(self, "[0, 10_000]", "hardest", section="retrieval_config")
        if self.hardest and not self.towers:
            raise UserError(
                "retrieval_config.hardest needs towers to find hard negatives; name the `model` folder of `finetune "
                f"--task contrastive` in retrieval_config.towers. Received: {self.hardest}"
            )


def _train_config() -> TrainConfig:
    return TrainConfig(epochs=20, optimizer_config=OptimizerConfig(learning_rate=2e-5))


@dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tuning of a pre-trained model on prepared records (paper section 4.2).

    Args:
        task: A name of `kaleido.app.registry`: `category`, `subcategory` or `attribute`, to recognise; `caption`, to
            describe a photo; `retrieval`, to tell a photo's text from others; or `contrastive`, the same by two towers
            without an encoder.
        records: Folder that `prepare` wrote.
        output: Folder of the run: model, checkpoints, logs, predictions.
        model: The saved model to start from, a run's `model` folder; one as `model_config` says if empty.
        mode: `train_and_evaluate`, or `evaluate` (the model of `output`).
        seed: Of initialisation, order and dropout.
        preprocess_config: From records to batches; nothing is masked.
        model_config: The architecture where no model is given.
        recognition_config: What is recognised.
        caption_config: How captions are learned and written.
        retrieval_config: What retrieval learns from.
        train_config: Training; 20 epochs at a learning rate of 2e-5 in the paper.
        evaluate_config: The split to report on, and how often to look at it.
    """

    task: str
    records: str
    output: str
    model: str = ""
    mode: Literal["train_and_evaluate", "evaluate"] = "train_and_evaluate"
    seed: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)
    model_config: ModelSection = field(default_factory=ModelSection)
    recognition_config: RecognitionConfig = field(default_factory=RecognitionConfig)
    caption_config: CaptionConfig = field(default_factory=CaptionConfig)
    retrieval_config: RetrievalConfig = field(default_factory=RetrievalConfig)
    train_config: TrainConfig = field(default_factory=_train_config)
    evaluate_config: EvaluateConfig = field(default_factory=EvaluateConfig)

    def __post_init__(self):
        check_range(self, "[0, 4_294_967_295]", "seed")
        if self.task not in FINETUNING_TASKS:
            raise UserError(f"task must be among {', '.join(FINETUNING_TASKS)}. Received: {self.task}")
        if (self.task == "attribute") != bool(self.recognition_config.column):
            raise UserError(
                "recognition_config.column names a column for the task attribute, and for no other. "
                f"Received: {self.recognition_config.column or 'none'} for {self.task}"
            )
