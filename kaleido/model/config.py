"""Sizes and options of a Kaleido-BERT."""

from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

from kaleido.errors import UserError
from kaleido.ranges import check_range

SIZES = {
    "tiny": {"num_layers": 2, "hidden_size": 128, "num_heads": 2, "intermediate_size": 512},
    "small": {"num_layers": 6, "hidden_size": 384, "num_heads": 12, "intermediate_size": 1536},
    "base": {"num_layers": 12, "hidden_size": 768, "num_heads": 12, "intermediate_size": 3072},
}
"""`base` is the paper's; `small` has the shape of the 6-layer MiniLM."""


@dataclass(frozen=True)
class Compatibility:
    """The original release's departures from the paper, each off by default (`docs/original.md` measures them).

    Args:
        original: All of those below that are not set on their own; unset is off without it.
        raw_positions: Patch positions in whole pixels and square pixels, instead of shares of the photo.
        joint_grey_softmax: G2CM's target softmax runs over both grey patches joined, so its loss can be negative.
        losses_on_mismatched_pairs: Completing words and patches counts on pairs of different products as well.
        input_dropout: Dropout on the patch features themselves, besides the one on their embedding.
        short_segment_table: A level whose segment id lies past the end of the segment table adds nothing, instead of
            being refused.
    """

    original: bool = False
    raw_positions: bool | None = None
    joint_grey_softmax: bool | None = None
    losses_on_mismatched_pairs: bool | None = None
    input_dropout: bool | None = None
    short_segment_table: bool | None = None

    def __post_init__(self):
        # None is kept where it says nothing: a configuration is filled from its defaults before `original` is known.
        for quirk in QUIRKS:
            if self.original and getattr(self, quirk) is None:
                object.__setattr__(self, quirk, True)


QUIRKS = tuple(field.name for field in fields(Compatibility) if field.name != "original")
"""Names of the departures."""


@dataclass(frozen=True)
class ModelConfig:
    """The architecture of a Kaleido-BERT (paper section 3.4); defaults are the paper's.

    Args:
        vocab_size: Number of word pieces.
        feature_size: Length D of a patch feature.
        num_layers, hidden_size, num_heads, intermediate_size: The encoder.
        max_position_embeddings: Longest text, [CLS] and [SEP] included.
        token_type_vocab_size: Rows of the text's segment table, of which ours use the first.
        segment_vocab_size: Rows of each level's segment table; level n uses row n.
        dropout: After embeddings, attention outputs and feed-forward outputs.
        attention_dropout: On attention probabilities.
        initializer_range: Standard deviation of the truncated normal that kernels and tables start from.
        layer_norm_epsilon: Added to the variance.
        compatibility: Quirks of the original release.
    """

    vocab_size: int = 30522
    feature_size: int = 2048
    num_layers: int = 12
    hidden_size: int = 768
    num_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    token_type_vocab_size: int = 2
    segment_vocab_size: int = 6
    dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02
    layer_norm_epsilon: float = 1e-12
    compatibility: Compatibility = field(default_factory=Compatibility)

    def __post_init__(self):
        check = partial(check_range, self, section="model_config")
        check("[1, 1000]", "num_layers", "num_heads", "segment_vocab_size", "token_type_vocab_size")
        check("[1, 10_000_000]", "vocab_size", "feature_size", "hidden_size", "intermediate_size")
        check("[1, 10_000_000]", "max_position_embeddings")
        check("[0, 1)", "dropout", "attention_dropout")
        check("(0, 1]", "initializer_range", "layer_norm_epsilon")
        if self.hidden_size % self.num_heads:
            raise UserError(
                f"model_config.hidden_size must be a multiple of num_heads. Received: {self.hidden_size} and "
                f"{self.num_heads}"
            )
        if self.segment_vocab_size < 6 and not self.compatibility.short_segment_table:
            raise UserError(
                "model_config.segment_vocab_size must be at least 6 (text and five levels), or set "
                f"compatibility.short_segment_table. Received: {self.segment_vocab_size}"
            )

    @classmethod
    def of_size(cls, size: str, **options: Any) -> "ModelConfig":
        """A config of a named size (`tiny`, `small`, `base`), with further fields given or overridden."""
        if size not in SIZES:
            raise UserError(f"model_config.size must be one of {', '.join(SIZES)}. Received: {size!r}")
        return cls(**{**SIZES[size], **options})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The inverse of `to_dict`; unknown keys are refused."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UserError(
                f"unknown keys in a model's config: {', '.join(unknown)}; this may be a later version's model"
            )
        return cls(**{**values, "compatibility": Compatibility(**values.get("compatibility", {}))})


@dataclass(frozen=True)
class LossConfig:
    """The weight of each task in the total; 1 for all in the paper. A task of weight 0 is not computed.

    Args:
        mlm: Masked words.
        itm: Image-text matching.
        rotation: Level 1, which quarter turn.
        jigsaw: Level 2, which permutation.
        camouflage: Level 3, which patch is another product's.
        grey: Level 4, grey to colour.
        blank: Level 5, blank to colour.
    """

    mlm: float = 1.0
    itm: float = 1.0
    rotation: float = 1.0
    jigsaw: float = 1.0
    camouflage: float = 1.0
    grey: float = 1.0
    blank: float = 1.0

    def __post_init__(self):
        check_range(self, "[0, inf)", *(field.name for field in fields(self)), section="train_config.loss_config")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that count."""
        return tuple(task for task, weight in asdict(self).items() if weight)
