"""The Keras model of price regression."""

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.kaleido_bert import KaleidoBert


class PriceModel(keras.Model):
    """Kaleido-BERT with two dense layers that estimate a price from the pooled [CLS].

    Reads a batch (`docs/design.md`) that is neither masked nor corrupted and gives `{"price": float32 [B]}`.

    Args:
        config: Architecture.
        mean: Mean of the training prices.
        deviation: Standard deviation of the training prices.
    """

    tasks = ("price",)

    def __init__(self, config: ModelConfig, mean: float, deviation: float):
        super().__init__(name="price_model")
        self.config, self.mean, self.deviation = config, mean, deviation
        self.bert = KaleidoBert(config, tasks=())
        self.hidden = keras.layers.Dense(config.hidden_size, activation="gelu", name="hidden")
        self.head = keras.layers.Dense(1, name="head")
        # Built at once, so that weights can be loaded before the model has seen a batch.
        self.hidden.build((None, config.hidden_size))
        self.head.build((None, config.hidden_size))
        self.built = True

    def call(self, batch, training=None):
        _, _, pooled = self.bert.encode(batch, training=training)
        standardised = ops.cast(self.head(self.hidden(pooled))[:, 0], "float32")
        return {"price": self.mean + self.deviation * standardised}
