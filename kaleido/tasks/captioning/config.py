"""Configuration section of captioning."""

import re
from dataclasses import dataclass
from typing import Literal

from kaleido.errors import UserError
from kaleido.ranges import check_range


@dataclass(frozen=True)
class CaptionConfig:
    """Configuration of the task `caption`: training texts and decoding.

    Args:
        decoder: `causal` generates token by token from left to right; `mask_predict`, as in the paper, predicts all
            tokens at once at [MASK] positions.
        long_texts: Treatment of texts longer than `preprocess_config.max_text_length`: `refuse` stops before training,
            `cut` shortens them.
        rounds: Number of prediction rounds of `mask_predict`, 1 in the paper; with more, training also shows parts of
            texts.
        beams: Number of beams of `causal`; 1 is greedy decoding.
        length_penalty: Exponent of the caption length: `causal` ranks captions by log-probability / tokens **
            length_penalty.
        no_repeat_ngram: Length of n-grams that `causal` never repeats within a caption; 0 allows repetition.
        language: Language of the texts, by which metrics divide them: `en`; `zh`, `ja` and others without spaces
            between words, by character; any other by words. `auto` takes `zh` where most letters are of such a script,
            and `en` otherwise.
    """

    decoder: Literal["causal", "mask_predict"] = "causal"
    long_texts: Literal["refuse", "cut"] = "refuse"
    rounds: int = 1
    beams: int = 4
    length_penalty: float = 1.0
    no_repeat_ngram: int = 3
    language: str = "auto"

    def __post_init__(self):
        check_range(self, "[1, 100]", "rounds", "beams", section="caption_config")
        check_range(self, "[0, 100]", "no_repeat_ngram", "length_penalty", section="caption_config")
        if not re.fullmatch(r"auto|[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*", self.language):
            raise UserError(
                f"caption_config.language must be auto or a code such as en, de or zh. Received: {self.language!r}"
            )
