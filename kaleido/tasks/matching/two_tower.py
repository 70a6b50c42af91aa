"""Two-tower model: text and image embeddings compared by cosine similarity; not part of the paper."""

from collections.abc import Sequence

import keras
from keras import ops

from kaleido.constants import LEVELS
from kaleido.model.config import ModelConfig
from kaleido.model.contrastive import SIZE, WIDTH, contrastive_losses, unit
from kaleido.model.dropout import Dropout
from kaleido.model.heads import add_scale

DROPOUT = 0.2
"""Dropout before and after the photo tower's hidden layer."""


@keras.saving.register_keras_serializable("kaleido")
class TwoTower(keras.Model):
    """Embeds texts as bags of tokens and photos by the mean patch feature of some levels.

    Reads a batch (`docs/design.md`) and returns `texts` and `photos`, embeddings [B, 256] of length 1, trained so that
    matching texts and photos have a high cosine similarity.

    Args:
        config: Architecture; only the vocabulary size and the feature size are used.
        levels: Levels of the patches that are read; level 1 alone is the whole photo, as in the baseline.

    Attributes:
        scale: Logarithm of the inverse temperature, trainable.
    """

    tasks = ("contrastive",)

    def __init__(self, config: ModelConfig, levels: Sequence[int] = LEVELS, name: str = "two_tower", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config, self.levels = config, tuple(levels)
        self.words = keras.layers.Embedding(
            config.vocab_size, SIZE, embeddings_initializer="random_normal", name="words"
        )
        self.norms = [keras.layers.LayerNormalization(name=f"level{level}_norm") for level in self.levels]
        self.hidden = keras.layers.Dense(WIDTH, activation="gelu", name="hidden")
        self.projection = keras.layers.Dense(SIZE, name="projection")
        self.dropout = Dropout(DROPOUT)
        self.build()

    def build(self, input_shape=None):
        size = self.config.feature_size
        self.words.build()
        for norm in self.norms:
            norm.build((None, size))
        self.hidden.build((None, len(self.levels) * size))
        self.projection.build((None, WIDTH))
        self.scale = add_scale(self)
        self.built = True

    def call(self, batch, training=None):
        return {"texts": self.text_embeddings(batch), "photos": self.image_embeddings(batch, training=training)}

    def text_embeddings(self, batch):
        """Embeds texts from `token_ids` and `token_mask`: float32 [B, 256]."""
        words = self.words(batch["token_ids"])
        return unit(ops.sum(words * ops.cast(batch["token_mask"], words.dtype)[..., None], axis=1))

    def image_embeddings(self, batch, training=None):
        """Embeds photos from the mean patch of each level: float32 [B, 256]."""
        # Records are float16; a mean in float16 would lose precision.
        means = [ops.mean(ops.cast(batch[f"level{level}"], "float32"), axis=1) for level in self.levels]
        normed = [norm(mean) for norm, mean in zip(self.norms, means)]
        features = self.dropout(ops.concatenate(normed, axis=-1), training=training)
        return unit(self.projection(self.dropout(self.hidden(features), training=training)))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Computes the mean of `contrastive_losses`, for `compile` and `fit`."""
        cosines = ops.matmul(y_pred["photos"], ops.transpose(y_pred["texts"]))
        return ops.mean(contrastive_losses(ops.exp(self.scale) * ops.stack([cosines, ops.transpose(cosines)], axis=1)))

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict(), "levels": list(self.levels)}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), config["levels"], name=config["name"])
