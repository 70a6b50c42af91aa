"""A matching head on top of a two-tower model, an addition of ours (off in the paper)."""

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert
from kaleido.tasks.matching.two_tower import TwoTower


@keras.saving.register_keras_serializable("kaleido")
class Matcher(keras.Model):
    """A Kaleido-BERT with the head `itm`, whose logits are added to the score of a two-tower model.

    Reads a batch (`docs/design.md`) and gives `itm` [B, 2]. The encoder learns what the two-tower model cannot tell;
    the latter is not trained.

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
        """Computes what the two-tower model adds to the logit of a match, from the cosines float32 [B]."""
        # It was trained for these products to differ by log-odds. Half a cosine is near where a match begins.
        return ops.exp(ops.cast(self.two_tower.scale, "float32")) * (cosines - 0.5)

    def get_config(self):
        return {"name": self.name, "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config):
        return cls(ModelConfig.from_dict(config["config"]), name=config["name"])
