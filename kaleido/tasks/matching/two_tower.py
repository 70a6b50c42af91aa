"""Texts and photos as directions that meet in a product: quick to ask, an addition of ours (off in the paper)."""

import keras
from keras import ops

from kaleido.constants import LEVELS
from kaleido.model.config import ModelConfig

SIZE, WIDTH, DROPOUT = 256, 1024, 0.2
"""Of the space in which texts and photos meet; of the photo tower's hidden layer, and before and after it."""


@keras.saving.register_keras_serializable("kaleido")
class Towers(keras.Model):
    """A bag of words and a photo's five levels, each as a direction in a common space.

    A batch as `docs/design.md` defines it goes in; `texts` and `photos`, directions [B, 256] of length 1 that are near
    each other where text and photo belong together, come out. Nothing of the encoder is in it.

    Args:
        config: The architecture; its vocabulary and feature size are what counts.
    """

    tasks = ("contrastive",)

    def __init__(self, config: ModelConfig, name: str = "towers", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config = config
        self.words = keras.layers.Embedding(
            config.vocab_size, SIZE, embeddings_initializer="random_normal", name="words"
        )
        self.norms = [keras.layers.LayerNormalization(name=f"level{level}_norm") for level in LEVELS]
        self.hidden = keras.layers.Dense(WIDTH, activation="gelu", name="hidden")
        self.projection = keras.layers.Dense(SIZE, name="projection")
        self.dropout = keras.layers.Dropout(DROPOUT)
        self.build()

    def build(self, input_shape=None):
        size = self.config.feature_size
        self.words.build()
        for norm in self.norms:
            norm.build((None, size))
        self.hidden.build((None, len(LEVELS) * size))
        self.projection.build((None, WIDTH))
        # The logarithm of what cosines are multiplied with; starts as CLIP's does.
        self.scale = self.add_weight((), keras.initializers.Constant(2.66), name="scale")
        self.built = True

    def call(self, batch, training=None):
        return {"texts": self.text_directions(batch), "photos": self.photo_directions(batch, training=training)}

    def text_directions(self, batch):
        """[B, 256], from `token_ids` and `token_mask`."""
        words = self.words(batch["token_ids"])
        return _direction(ops.sum(words * ops.cast(batch["token_mask"], words.dtype)[..., None], axis=1))

    def photo_directions(self, batch, training=None):
        """[B, 256], from the mean patch of each of `level1` to `level5`."""
        # Records hold float16, in which a mean would lose digits.
        means = [ops.mean(ops.cast(batch[f"level{level}"], "float32"), axis=1) for level in LEVELS]
        levels = [norm(mean) for norm, mean in zip(self.norms, means)]
        features = self.dropout(ops.concatenate(levels, axis=-1), training=training)
        return _direction(self.projection(self.dropout(self.hidden(features), training=training)))

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), name=config["name"])


def contrastive_logits(texts, photos, scale, token_ids):
    """How well each photo of a batch fits each text: float32 [B, B], photos in rows.

    Texts that are worded the same do not compete.
    """
    logits = ops.exp(ops.cast(scale, "float32")) * ops.matmul(photos, ops.transpose(texts))
    same = ops.cast(ops.all(ops.equal(token_ids[:, None], token_ids[None]), axis=-1), "float32")
    rows = ops.arange(ops.shape(token_ids)[0])
    own = ops.cast(ops.equal(rows[:, None], rows[None]), "float32")
    return logits - 1e4 * same * (1.0 - own)


def contrastive_losses(logits):
    """Each photo has to find its text among the batch's, and each text its photo: float32 [B], in nats.

    Args:
        logits: [B, B], photos in rows.
    """
    rows = ops.arange(ops.shape(logits)[0])
    sides = (logits, ops.transpose(logits))
    return sum(ops.sparse_categorical_crossentropy(rows, side, from_logits=True) for side in sides) / 2


def _direction(values):
    return ops.normalize(ops.cast(values, "float32"))
