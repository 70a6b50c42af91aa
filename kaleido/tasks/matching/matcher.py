"""Combines a matching head with a two-tower model; not part of the paper."""

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.matching.two_tower import TwoTower


@keras.saving.register_keras_serializable("kaleido")
class Matcher(keras.Model):
    """Kaleido-BERT with the head `itm`, whose logits are added to the score of a two-tower model.

    Reads a batch (`docs/design.md`) and returns `itm`, logits float32 [B, 2]. The two-tower model is frozen, so that
    the encoder learns a correction of its score.

    Args:
        config: Architecture.
    """

    tasks = ("itm", "contrastive")

    def __init__(self, config: ModelConfig, name: str = "matcher", **kwargs):
        super().__init__(name=name, **kwargs)
        self.config = config
        self.bert = KaleidoBert(config, tasks=("itm",))
        self.two_tower = TwoTower(config)
        self.two_tower.trainable = False
        self.build()

    def build(self, input_shape=None):
        self.built = True

    def call(self, batch, training=None):
        logits = ops.cast(self.bert(batch, training=training)["itm"], "float32")
        embeddings = self.two_tower(batch)
        cosines = ops.sum(embeddings["texts"] * embeddings["photos"], axis=-1)
        return {"itm": logits + ops.stack([ops.zeros_like(cosines), self.margins(cosines)], axis=-1)}

    def margins(self, cosines):
        """Computes the two-tower model's part of the logit of a match, float32 [B], from cosines float32 [B]."""
        # Contrastive training makes differences of scaled cosines log-odds. A cosine near 0.5 separates matches.
        return ops.exp(ops.cast(self.two_tower.scale, "float32")) * (cosines - 0.5)

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), name=config["name"])
