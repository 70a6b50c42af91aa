"""Architecture and loss weights of Kaleido-BERT."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

from kaleido.errors import UserError
from kaleido.network_folder import Size
from kaleido.ranges import check_range
from kaleido.untrusted import checked

SIZES = {
    "tiny": {"num_layers": 2, "hidden_size": 128, "num_heads": 2, "intermediate_size": 512},
    "small": {"num_layers": 6, "hidden_size": 384, "num_heads": 12, "intermediate_size": 1536},
    "base": {"num_layers": 12, "hidden_size": 768, "num_heads": 12, "intermediate_size": 3072},
}
"""Named sizes: `base` is the paper's, `small` has the shape of the 6-layer MiniLM."""


@dataclass(frozen=True)
class Compatibility:
    """Differences of the original release from the paper, each off by default (`docs/original.md` measures them).

    Args:
        original: Turns on all of the following that are not set themselves.
        raw_positions: Gives patch positions in pixels and square pixels, instead of fractions of the photo.
        joint_grey_softmax: Takes the softmax of the grey-to-colour targets over both patches jointly; the loss can
            then be negative.
        losses_on_mismatched_pairs: Counts masked words and patches also where text and photo are of different products.
        input_dropout: Applies dropout to the patch features, besides the one on their embedding.
        short_segment_table: Accepts a segment table without rows for all levels; levels past its end get no segment
            embedding.
    """

    original: bool = False
    raw_positions: bool | None = None
    joint_grey_softmax: bool | None = None
    losses_on_mismatched_pairs: bool | None = None
    input_dropout: bool | None = None
    short_segment_table: bool | None = None

    def __post_init__(self) -> None:
        # Without `original`, None stays None: configurations are filled with defaults before `original` is known.
        for quirk in QUIRKS:
            if self.original and getattr(self, quirk) is None:
                object.__setattr__(self, quirk, True)


QUIRKS = tuple(field.name for field in fields(Compatibility) if field.name != "original")
"""Names of the differences."""


ContrastiveReads = Literal["outputs", "embeddings"]
"""Inputs of the head of `itc`: the encoder's outputs, or the embeddings that it reads, for which it does not run."""


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of Kaleido-BERT (paper section 3.4); defaults are the paper's.

    Args:
        vocab_size: Number of tokens in the vocabulary, V.
        feature_size: Length of a patch feature, D.
        num_layers: Number of encoder layers.
        hidden_size: Width of the encoder, H.
        num_heads: Number of attention heads.
        intermediate_size: Width of the feed-forward layers.
        max_position_embeddings: Longest text in tokens, [CLS] and [SEP] included.
        token_type_vocab_size: Rows of the text's segment table; only the first is used by catalogues' records.
        segment_vocab_size: Rows of each level's segment table; level n uses row n.
        dropout: Dropout rate after embeddings, attention and feed-forward layers.
        attention_dropout: Dropout rate of attention probabilities.
        initializer_range: Standard deviation of the truncated normal that initialises kernels and tables.
        layer_norm_epsilon: Epsilon of LayerNorm.
        contrastive_reads: Vectors that the head of `itc` reads of a text alone or a photo alone: the encoder's
            `outputs`, or the `embeddings` of tokens and patches, for which the encoder does not run.
        compatibility: Differences of the original release to reproduce.
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
    contrastive_reads: ContrastiveReads = "outputs"
    compatibility: Compatibility = field(default_factory=Compatibility)

    def __post_init__(self) -> None:
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
        """Makes the config of a named size (`tiny`, `small`, `base`); `options` set or override fields."""
        if size not in SIZES:
            raise UserError(f"model_config.size must be one of {', '.join(SIZES)}. Received: {size!r}")
        return cls(**{**SIZES[size], **options})

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str | Path = "a model's config") -> "ModelConfig":
        """Makes a config of what `to_dict` returned; unknown keys and values that none can have raise a `UserError`.

        Args:
            values: The fields as JSON values.
            where: File, for messages.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UserError(f"{where}: unknown keys: {', '.join(unknown)}; a later version may have saved this model")
        return checked(cls, values, where)


WEIGHT_SIZES = {
    "vocab_size": Size(("/token/embeddings", "/words/embeddings")),
    "feature_size": Size(("/level1_projection/kernel",)),
    "num_layers": Size(("/attention_norm/beta",), None),
    "hidden_size": Size(("/pooler/bias",)),
    "intermediate_size": Size(("/intermediate/bias",)),
    "max_position_embeddings": Size(("/text_embedding/positions",)),
    "token_type_vocab_size": Size(("/text_embedding/types",)),
    "segment_vocab_size": Size(("_segments",)),
}
"""Where the weights of a Kaleido-BERT have the sizes of its architecture."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the tasks in the total loss, in the paper all 1 without `itc`; a task of weight 0 is not computed.

    Args:
        mlm: Weight of aligned masked language modelling.
        itm: Weight of image-text matching.
        rotation: Weight of rotation recognition, level 1.
        jigsaw: Weight of jigsaw puzzle solving, level 2.
        camouflage: Weight of camouflage prediction, level 3.
        grey: Weight of grey-to-colour modelling, level 4.
        blank: Weight of blank-to-colour modelling, level 5.
        itc: Weight of image-text contrastive learning, which is not part of the paper: text and photo, each read alone,
            are compared, and the negatives of `itm` are drawn from the batch by the similarities that it finds.
    """

    mlm: float = 1.0
    itm: float = 1.0
    rotation: float = 1.0
    jigsaw: float = 1.0
    camouflage: float = 1.0
    grey: float = 1.0
    blank: float = 1.0
    itc: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, "[0, inf)", *(field.name for field in fields(self)), section="train_config.loss_config")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of non-zero weight."""
        return tuple(task for task, weight in asdict(self).items() if weight)
