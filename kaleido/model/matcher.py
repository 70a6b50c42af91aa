"""Matching with a second opinion that is quick to ask: the contrastive head, an addition of ours (off in the paper)."""

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.embeddings import initializer
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.model.tasks import PATCHES

SIZE = 256
"""Of the space in which texts and photos meet."""


@keras.saving.register_keras_serializable("kaleido")
class Matcher(keras.Model):
    """A Kaleido-BERT with the head `itm`, whose encoder also reads texts alone and photos alone.

    A batch as `docs/design.md` defines it goes in; `itm` [B, 2] comes out, and `texts` and `photos`, directions
    [B, 256] of length 1 that are near each other where text and photo belong together.

    Args:
        config: The architecture.
    """

    tasks = ("itm", "contrastive")

    def __init__(self, config: ModelConfig, name: str = "matcher", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config = config
        self.bert = KaleidoBert(config, tasks=("itm",))
        self.text_projection, self.photo_projection = (
            keras.layers.Dense(SIZE, use_bias=False, kernel_initializer=initializer(config), name=f"{side}_projection")
            for side in ("text", "photo")
        )
        self.build()

    def build(self, input_shape=None):
        for projection in (self.text_projection, self.photo_projection):
            projection.build((None, self.config.hidden_size))
        # The logarithm of what cosines are multiplied with; starts as CLIP's does.
        self.scale = self.add_weight((), keras.initializers.Constant(2.66), name="scale")
        self.built = True

    def call(self, batch, training=None):
        return {
            "itm": self.bert(batch, training=training)["itm"],
            "texts": self.text_directions(batch, training=training),
            "photos": self.photo_directions(batch, training=training),
        }

    def text_directions(self, batch, training=None):
        """[B, 256], from [CLS] of the text alone."""
        text = self.bert.embed_text(batch, training=training)
        first = self.bert.encoder(text, batch["token_mask"], training=training, queries=1)[:, 0]
        return _direction(self.text_projection(first))

    def photo_directions(self, batch, training=None):
        """[B, 256], from level 1, the whole product, of the photo alone."""
        patches = self.bert.embed_patches(batch, training=training)
        first = self.bert.encoder(patches, ops.ones((1, PATCHES)), training=training, queries=1)[:, 0]
        return _direction(self.photo_projection(first))

    def embed_text(self, batch, training=None):
        """As of `KaleidoBert`."""
        return self.bert.embed_text(batch, training=training)

    def embed_patches(self, batch, training=None):
        """As of `KaleidoBert`."""
        return self.bert.embed_patches(batch, training=training)

    def match(self, text, token_mask, patches, training=None):
        """As of `KaleidoBert`."""
        return self.bert.match(text, token_mask, patches, training=training)

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), name=config["name"])


def contrastive_losses(output, batch, scale):
    """Each photo has to find its text among the batch's, and each text its photo: float32 [B], 0 on mismatched pairs.

    Texts that are worded the same do not compete.
    """
    logits = ops.exp(ops.cast(scale, "float32")) * ops.matmul(output["photos"], ops.transpose(output["texts"]))
    tokens = batch["token_ids"]
    same = ops.cast(ops.all(ops.equal(tokens[:, None], tokens[None]), axis=-1), "float32")
    rows = ops.arange(ops.shape(tokens)[0])
    own = ops.cast(ops.equal(rows[:, None], rows[None]), "float32")
    logits = logits - 1e4 * same * (1.0 - own)
    found = [
        ops.sparse_categorical_crossentropy(rows, side, from_logits=True) for side in (logits, ops.transpose(logits))
    ]
    return (found[0] + found[1]) / 2 * ops.cast(batch["paired"], "float32")


def _direction(values):
    return ops.normalize(ops.cast(values, "float32"))
