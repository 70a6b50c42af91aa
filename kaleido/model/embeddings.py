"""What the encoder reads: words, and patches level by level (paper section 3.4)."""

from typing import Any

import keras
from keras import ops

from kaleido.constants import LEVELS, PATCH_COUNTS
from kaleido.model.config import ModelConfig


def initializer(config: ModelConfig) -> keras.initializers.Initializer:
    """A fresh initializer; one object must not start two variables."""
    return keras.initializers.TruncatedNormal(stddev=config.initializer_range)


@keras.saving.register_keras_serializable("kaleido")
class TextEmbedding(keras.layers.Layer):
    """Token + position + type, LayerNorm, dropout.

    Token ids int32 [B, T], types int32 [B, T] where they are not all 0, and the first one's position -> [B, T, H].
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.token = keras.layers.Embedding(
            config.vocab_size, config.hidden_size, embeddings_initializer=initializer(config), name="token"
        )
        self.norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="norm")
        self.dropout = keras.layers.Dropout(config.dropout)

    def build(self, input_shape):
        size = self.config.hidden_size
        self.token.build(input_shape)
        self.positions = self.add_weight(
            (self.config.max_position_embeddings, size), initializer(self.config), name="positions"
        )
        # BERT's table has a row for a second sentence, which a fashion text has not; kept so that its weights load.
        self.types = self.add_weight((self.config.token_type_vocab_size, size), initializer(self.config), name="types")
        self.norm.build((*input_shape, size))

    def call(self, token_ids, token_types=None, training=None, first=0):
        span = (ops.shape(token_ids)[1], self.config.hidden_size)
        positions = ops.slice(ops.convert_to_tensor(self.positions), (first, 0), span)
        types = self.types[0] if token_types is None else ops.take(self.types, token_types, axis=0)
        embedded = self.token(token_ids) + positions + types
        return self.dropout(self.norm(embedded), training=training)


@keras.saving.register_keras_serializable("kaleido")
class PatchEmbedding(keras.layers.Layer):
    """FC(segment) + FC(feature) + FC(position), LayerNorm, dropout, each level with its own but for the positions.

    Features, five arrays [B, n, D], and positions [B, 55, 5] -> [B, 55, H], level by level.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.projections = [self._dense(f"level{level}_projection") for level in LEVELS]
        self.norms = [
            keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name=f"level{level}_norm")
            for level in LEVELS
        ]
        self.position = self._dense("position")
        self.feature_dropout = keras.layers.Dropout(config.dropout if config.compatibility.input_dropout else 0.0)
        self.dropout = keras.layers.Dropout(config.dropout)

    def _dense(self, name):
        return keras.layers.Dense(
            self.config.hidden_size, use_bias=False, kernel_initializer=initializer(self.config), name=name
        )

    def build(self, input_shape=None):
        size = self.config.hidden_size
        self.segments = [
            self.add_weight(
                (self.config.segment_vocab_size, size), initializer(self.config), name=f"level{level}_segments"
            )
            for level in LEVELS
        ]
        for count, projection, norm in zip(PATCH_COUNTS, self.projections, self.norms):
            projection.build((None, count, self.config.feature_size))
            norm.build((None, count, size))
        self.position.build((None, None, 5))

    def call(self, features, positions, training=None):
        located = self.position(positions)
        levels, start = [], 0
        for index, (level, count) in enumerate(zip(LEVELS, PATCH_COUNTS)):
            dropped = self.feature_dropout(features[index], training=training)
            embedded = self.projections[index](dropped) + located[:, start : start + count]
            if level < self.config.segment_vocab_size:
                embedded = embedded + self.segments[index][level]
            levels.append(self.dropout(self.norms[index](embedded), training=training))
            start += count
        return ops.concatenate(levels, axis=1)
