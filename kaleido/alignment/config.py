"""What the configuration says about alignment."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from kaleido.ranges import check_range


@dataclass(frozen=True)
class AlignConfig:
    """How the captioner is trained, and how its heat-maps become (word, patch) pairs (AAG, paper section 3.2).

    The paper gives no thresholds; these are ours, chosen on generated products whose parts are known
    (`docs/alignment.md`).

    Args:
        words: Whose heat-maps: `text` takes the words of the raw text one by one (teacher forcing); `caption` those of
            a generated caption that the raw text has too, as in the paper.
        heat: `grounding`, where in the photo a word's own query points; `attention`, where the captioner looked while
            it wrote the word, as in the paper.
        region_share: The region of a word is the least set of cells with this share of its heat.
        min_cover: Share of a patch that the region must cover.
        patches_per_word: Patches at most that a word is aligned with, the hottest ones.
        word_share: Share of the words that are aligned, the surest ones; measured on training photos.
        sharpness: Cosines are multiplied with this before the softmax that makes them a heat-map.
        steps: Of training.
        batch_size: Products of a step.
        learning_rate: At the start; it falls to 0 along a cosine.
        photos: Training photos at most, whose maps are kept in memory (44 KB each with `efficientnet_lite0`).
        max_text_length: Pieces of a text that the captioner is trained on, and of a generated caption.
        hidden_size: Of the LSTM and the embeddings.
        doubly_stochastic: Weight of the penalty on cells that attention leaves out.
        grounding: Weight of the contrastive loss between words and cells; 0 trains Show, Attend and Tell alone.
        hard_share: Share of the batches that are of one category or sub-category.
    """

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
