"""Matching that goes on from a quicker opinion, an addition of ours (off in the paper)."""

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.matching.two_tower import Towers


@keras.saving.register_keras_serializable("kaleido")
class Matcher(keras.Model):
    """A Kaleido-BERT with the head `itm`, whose logits add to what two towers say of text and photo.

    A batch as `docs/design.md` defines it goes in; `itm` [B, 2] comes out. The encoder learns what the towers cannot
    tell; they stay as they are.

    Args:
        config: The architecture.
    """

    tasks = ("itm", "contrastive")

    def __init__(self, config: ModelConfig, name: str = "matcher", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config = config
        self.bert = KaleidoBert(config, tasks=("itm",))
        self.towers = Towers(config)
        self.towers.trainable = False
        self.build()

    def build(self, input_shape=None):
        self.built = True

    def call(self, batch, training=None):
        logits = ops.cast(self.bert(batch, training=training)["itm"], "float32")
        cosines = ops.sum(self.text_directions(batch) * self.photo_directions(batch), axis=-1)
        return {"itm": logits + ops.stack([ops.zeros_like(cosines), self.margins(cosines)], axis=-1)}

    def margins(self, cosines):
        """What the towers add to the logit of a match, float32 like the cosines of text and photo."""
        # They were trained for these products to differ by log-odds. Half a cosine is near where a match begins.
        return ops.exp(ops.cast(self.towers.scale, "float32")) * (cosines - 0.5)

    def text_directions(self, batch):
        """As of `Towers`."""
        return self.towers.text_directions(batch)

    def photo_directions(self, batch):
        """As of `Towers`."""
        return self.towers.photo_directions(batch)

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), name=config["name"])
