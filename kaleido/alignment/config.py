"""The configurations of `align` and `explain`."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from kaleido.cluster import ClusterOptions
from kaleido.configuration import POSITIONAL
from kaleido.ranges import check_range
from kaleido.records.config import PipelineConfig
from kaleido.untrusted import NO_OTHER_KEYS


@dataclass(frozen=True)
class AlignConfig:
    """Training of the captioner, and the rule that turns heat-maps into (word, patch) pairs (AAG, paper section 3.2).

    The paper gives no thresholds; these are ours, chosen on generated products whose parts are known
    (`docs/alignment.md`).

    Args:
        words: Words that heat-maps are made for: `text`, those of the raw text one by one (teacher forcing); `caption`,
            those of a generated caption that the raw text has too, as in the paper.
        heat: Source of the heat-maps: `grounding`, the cosines of a word's query with the cells; `attention`, the
            captioner's attention while it wrote the word, as in the paper.
        region_share: Share of a word's heat that its region holds; the region is the smallest such set of cells.
        min_cover: Share of a patch that the region must cover.
        patches_per_word: Largest number of patches that a word is aligned with, the hottest ones.
        word_share: Share of the words that are aligned, those of the highest confidence; measured on training photos.
        sharpness: Factor of the cosines before the softmax that makes them a heat-map.
        steps: Training steps.
        batch_size: Products of a step.
        learning_rate: Learning rate at the start; it falls to 0 along a cosine.
        photos: Largest number of training photos, whose maps are kept in memory (44 KB each with
            `efficientnet_lite0`).
        max_text_length: Tokens of a text that the captioner is trained on, and of a generated caption.
        hidden_size: Size of the LSTM and the embeddings.
        doubly_stochastic: Weight of the penalty on cells that attention leaves out.
        grounding: Weight of the contrastive loss between words and cells; 0 trains Show, Attend and Tell alone.
        hard_share: Share of the batches that are of one category or sub-category.
    """

    __pydantic_config__ = NO_OTHER_KEYS

    words: Literal["text", "caption"] = "text"
    heat: Literal["grounding", "attention"] = "grounding"
    region_share: float = 0.7
    min_cover: float = 0.5
    patches_per_word: int = 1
    word_share: float = 0.85
    sharpness: float = 8.0
    steps: int = 500
    batch_size: int = 24
    learning_rate: float = 2e-3
    photos: int = 10_000
    max_text_length: int = 48
    hidden_size: int = 256
    doubly_stochastic: float = 0.1
    grounding: float = 1.0
    hard_share: float = 0.7

    def __post_init__(self):
        check = partial(check_range, self, section="align_config")
        check("(0, 1]", "region_share", "min_cover", "word_share")
        check("[1, 50]", "patches_per_word")
        check("(0, 1000]", "sharpness")
        check("[1, 1_000_000]", "steps", "photos")
        check("[2, 4096]", "batch_size")
        check("(0, 1]", "learning_rate")
        check("[4, 512]", "max_text_length", "hidden_size")
        check("[0, 1000]", "doubly_stochastic", "grounding")
        check("[0, 1]", "hard_share")


@dataclass(frozen=True, kw_only=True)
class AlignRun(ClusterOptions):
    """Alignment of the words and patches of prepared records (AAG, paper section 3.2).

    Args:
        records: Folder of the records; the pairs are written into it.
        catalog: Catalogue of the records, if it is not the folder around them. It is only read to measure pairs of
            words that name parts with known places.
        seed: Seed of the captioner's weights and batches.
        overwrite: Replace pairs that were made otherwise.
        align_config: The captioner and the rule.
    """

    records: str
    catalog: str | None = None
    seed: int = 0
    overwrite: bool = False
    align_config: AlignConfig = field(default_factory=AlignConfig)

    def __post_init__(self):
        super().__post_init__()
        check_range(self, "[0, inf)", "seed")


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """One product, from its photo to what the model gets.

    Args:
        product: Id of a product, or of one of its photos.
        records: Folder of the records, after `prepare` and `align`.
        out: Folder for the picture and the page.
        catalog: Catalogue of the records, if it is not the folder around them.
        seed: Seed of the drawn masks and corruptions.
        epoch: Epoch of the drawn masks and corruptions.
        preprocess_config: Text length and masking.
    """

    product: str = field(metadata=POSITIONAL)
    records: str
    out: str = "explained"
    catalog: str | None = None
    seed: int = 0
    epoch: int = 0
    preprocess_config: PipelineConfig = field(default_factory=PipelineConfig)

    def __post_init__(self):
        check_range(self, "[0, inf)", "seed", "epoch")
