"""BERT's encoder: post-LayerNorm, tanh-approximated GELU (paper section 3.4)."""

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.embeddings import initializer

MASKED_SCORE = -10000.0
"""Added to the attention score of a padding position, as in BERT."""


def gelu(values):
    """GELU by its tanh approximation."""
    return ops.gelu(values, approximate=True)


@keras.saving.register_keras_serializable("kaleido")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention. Values [B, S, H] and bias [B, 1, 1, S] -> [B, S, H], before the residual.

    With `queries` n, the outputs of the first n positions alone: [B, n, H].
    """

    def __init__(self, config: ModelConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.head_size = config.hidden_size // config.num_heads
        self.query, self.key, self.value, self.output_projection = (
            keras.layers.Dense(config.hidden_size, kernel_initializer=initializer(config), name=name)
            for name in ("query", "key", "value", "output")
        )
        self.dropout = keras.layers.Dropout(config.attention_dropout)

    def build(self, input_shape):
        for dense in (self.query, self.key, self.value, self.output_projection):
            dense.build(input_shape)

    def heads(self, values):
        """[B, S, H] -> [B, heads, S, H / heads]."""
        length = ops.shape(values)[1]
        values = ops.reshape(values, (-1, length, self.config.num_heads, self.head_size))
        return ops.transpose(values, (0, 2, 1, 3))

    def memory(self, values):
        """Keys and values, [B, heads, S, H / heads] each, of what may be attended to."""
        return self.heads(self.key(values)), self.heads(self.value(values))

    def call(self, values, bias, training=None, queries=None):
        asking = values[:, :queries]
        keys, remembered = self.memory(values)
        query = self.heads(self.query(asking)) * (self.head_size**-0.5)
        scores = ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2)))
        # bfloat16 has too few digits for a sum of a hundred exponentials.
        probabilities = ops.softmax(ops.cast(scores, "float32") + ops.cast(bias, "float32"))
        probabilities = self.dropout(ops.cast(probabilities, self.compute_dtype), training=training)
        mixed = ops.transpose(ops.matmul(probabilities, remembered), (0, 2, 1, 3))
        return self.output_projection(ops.reshape(mixed, ops.shape(asking)))


@keras.saving.register_keras_serializable("kaleido")
class EncoderLayer(keras.layers.Layer):
    """Attention and feed-forward, each with dropout, residual and LayerNorm. [B, S, H] -> [B, S, H].

    With `queries` n, the outputs of the first n positions alone: [B, n, H].
    """

    def __init__(self, config: ModelConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.attention = SelfAttention(config, name="attention")
        self.attention_norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="attention_norm")
        self.intermediate = keras.layers.Dense(
            config.intermediate_size, activation=gelu, kernel_initializer=initializer(config), name="intermediate"
        )
        self.output_projection = keras.layers.Dense(
            config.hidden_size, kernel_initializer=initializer(config), name="output"
        )
        self.output_norm = keras.layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="output_norm")
        self.dropout = keras.layers.Dropout(config.dropout)

    def build(self, input_shape):
        for layer in (self.attention, self.attention_norm, self.intermediate, self.output_norm):
            layer.build(input_shape)
        self.output_projection.build((*input_shape[:-1], self.config.intermediate_size))

    def call(self, values, bias, training=None, queries=None):
        attended = self.attention(values, bias, training=training, queries=queries)
        return self.complete(values[:, :queries], attended, training=training)

    def complete(self, values, attended, training=None):
        """What follows on attention: residuals, LayerNorms, feed-forward."""
        values = self.attention_norm(values + self.dropout(attended, training=training))
        forwarded = self.dropout(self.output_projection(self.intermediate(values)), training=training)
        return self.output_norm(values + forwarded)


@keras.saving.register_keras_serializable("kaleido")
class Encoder(keras.layers.Layer):
    """The stack of layers. Values [B, S, H] and mask [B, S], or [B, S, S] one a position, 1 to attend -> [B, S, H].

    With `queries` n, the outputs of the first n positions alone, [B, n, H], which spares the last layer the others.
    """

    def __init__(self, config: ModelConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.blocks = [EncoderLayer(config, name=f"layer_{index}") for index in range(config.num_layers)]

    def build(self, input_shape):
        for block in self.blocks:
            block.build(input_shape)

    def call(self, values, mask, training=None, queries=None):
        bias = (1.0 - ops.cast(mask, "float32")) * MASKED_SCORE
        bias = bias[:, None] if len(mask.shape) == 3 else bias[:, None, None]
        for block in self.blocks[:-1]:
            values = block(values, bias, training=training)
        return self.blocks[-1](values, bias[:, :, :queries], training=training, queries=queries)
