"""Input embeddings of tokens and of kaleido patches (paper section 3.4)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kaleido.constants import LEVELS, PATCH_COUNTS
from kaleido.model.config import ModelConfig
from kaleido.model.dropout import Dropout
from kaleido.model.tensors import Tensor


def initializer(config: ModelConfig) -> keras.initializers.Initializer:
    """Makes a new initializer; one object must not initialise two variables."""
    return keras.initializers.TruncatedNormal(stddev=config.initializer_range)


@keras.saving.register_keras_serializable("kaleido")
class TextEmbedding(keras.layers.Layer):
    """Sum of token, position and type embedding, LayerNorm, dropout: ids int32 [B, T] -> [B, T, H].

    Types are int32 [B, T], or None for all 0; the first token has the position `first`.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.token = keras.layers.Embedding(
            config.vocab_size, config.hidden_size, embeddings_initializer=initializer(config), name="token"
        )
        self.norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="norm")
        self.dropout = Dropout(config.dropout)

    def build(self, input_shape: Sequence[int | None]) -> None:
        size = self.config.hidden_size
        self.token.build(input_shape)
        self.positions = self.add_weight(
            (self.config.max_position_embeddings, size), initializer(self.config), name="positions"
        )
        # A fashion text has one sentence; the row of BERT's second one is kept so that BERT's weights can be loaded.
        self.types = self.add_weight((self.config.token_type_vocab_size, size), initializer(self.config), name="types")
        self.norm.build((*input_shape, size))

    def call(
        self, token_ids: Tensor, token_types: Tensor | None = None, training: bool | None = None, first: Tensor = 0
    ) -> Tensor:
        span = (ops.shape(token_ids)[1], self.config.hidden_size)
        positions = ops.slice(ops.convert_to_tensor(self.positions), (first, 0), span)
        types = self.types[0] if token_types is None else ops.take(self.types, token_types, axis=0)
        embedded = self.token(token_ids) + positions + types
        return self.dropout(self.norm(embedded), training=training)


@keras.saving.register_keras_serializable("kaleido")
class PatchEmbedding(keras.layers.Layer):
    """FC(segment) + FC(feature) + FC(position), LayerNorm, dropout; only the FC of positions is shared by the levels.

    Features, one array [B, n, D] a level, and positions [B, 55, 5] -> [B, 55, H] in the order of the levels.
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
        self.feature_dropout = Dropout(config.dropout if config.compatibility.input_dropout else 0.0)
        self.dropout = Dropout(config.dropout)

    def _dense(self, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            self.config.hidden_size, use_bias=False, kernel_initializer=initializer(self.config), name=name
        )

    def build(self, input_shape: Any = None) -> None:
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

    def call(self, features: Sequence[Tensor], positions: Tensor, training: bool | None = None) -> Tensor:
        located = self.position(positions)
        levels, first = [], 0
        for index, level in enumerate(LEVELS):
            # A training may leave patches out.
            patches = slice(first, first + features[index].shape[1])
            first = patches.stop
            dropped = self.feature_dropout(features[index], training=training)
            embedded = self.projections[index](dropped) + located[:, patches]
            if level < self.config.segment_vocab_size:
                embedded = embedded + self.segments[index][level]
            levels.append(self.dropout(self.norms[index](embedded), training=training))
        return ops.concatenate(levels, axis=1)
