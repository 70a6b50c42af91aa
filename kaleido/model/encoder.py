"""BERT's encoder: post-LayerNorm, tanh-approximated GELU (paper section 3.4)."""

from typing import Any

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

    With `queries` n, the outputs of the first n positions alone: [B, n, H]. With `projected`, of `project`, the values'
    queries, keys and values are not computed again.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
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

    def project(self, values):
        """Queries, keys and values side by side: [B, S, H] -> [B, S, 3 H]."""
        return ops.concatenate([dense(values) for dense in (self.query, self.key, self.value)], axis=-1)

    def first(self, values, bias):
        """The output of the first position, [B, 1, H], without dropout.

        q . (W x + b) is (W^T q) . x and a number that is the same for all x, which softmax takes away; and values may
        be projected after they are added up. So no position needs a key or a value of its own.
        """
        size = self.config.hidden_size
        query = ops.reshape(self.query(values[:, :1]), (-1, self.config.num_heads, self.head_size))
        by_head = (size, self.config.num_heads, self.head_size)
        asked = ops.einsum("bnd,hnd->bnh", query * (self.head_size**-0.5), ops.reshape(self.key.kernel, by_head))
        scores = ops.matmul(asked, ops.transpose(values, (0, 2, 1)))
        probabilities = ops.softmax(ops.cast(scores, "float32") + ops.cast(bias, "float32")[:, 0])
        taken = ops.matmul(ops.cast(probabilities, self.compute_dtype), values)
        mixed = ops.einsum("bnh,hnd->bnd", taken, ops.reshape(self.value.kernel, by_head))
        return self.output_projection(ops.reshape(mixed, (-1, 1, size)) + self.value.bias)

    def call(self, values, bias, training=None, queries=None, projected=None):
        asking = values[:, :queries]
        if projected is None:
            keys, remembered = self.memory(values)
            query = self.query(asking)
        else:
            query, *memory = ops.split(projected, 3, axis=-1)
            query, keys, remembered = query[:, :queries], *map(self.heads, memory)
        query = self.heads(query) * (self.head_size**-0.5)
        scores = ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2)))
        # bfloat16 has too few digits for a sum of a hundred exponentials.
        probabilities = ops.softmax(ops.cast(scores, "float32") + ops.cast(bias, "float32"))
        probabilities = self.dropout(ops.cast(probabilities, self.compute_dtype), training=training)
        mixed = ops.transpose(ops.matmul(probabilities, remembered), (0, 2, 1, 3))
        return self.output_projection(ops.reshape(mixed, ops.shape(asking)))


@keras.saving.register_keras_serializable("kaleido")
class EncoderLayer(keras.layers.Layer):
    """Attention and feed-forward, each with dropout, residual and LayerNorm. [B, S, H] -> [B, S, H].

    With `queries` n, the outputs of the first n positions alone: [B, n, H]. `projected` as of `SelfAttention`.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
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

    def call(self, values, bias, training=None, queries=None, projected=None):
        if queries == 1 and projected is None and not training:
            attended = self.attention.first(values, bias)
        else:
            attended = self.attention(values, bias, training=training, queries=queries, projected=projected)
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
    With `projected`, of `project`, the first layer is spared what does not depend on the sequence.
    """

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.blocks = [EncoderLayer(config, name=f"layer_{index}") for index in range(config.num_layers)]

    def build(self, input_shape):
        for block in self.blocks:
            block.build(input_shape)

    def project(self, values):
        """What the first layer makes of each position by itself, [B, S, H] -> [B, S, 3 H]."""
        return self.blocks[0].attention.project(values)

    def call(self, values, mask, training=None, queries=None, projected=None):
        bias = (1.0 - ops.cast(mask, "float32")) * MASKED_SCORE
        bias = bias[:, None] if len(mask.shape) == 3 else bias[:, None, None]
        for block in self.blocks[:-1]:
            values = block(values, bias, training=training, projected=projected)
            projected = None
        return self.blocks[-1](values, bias[:, :, :queries], training=training, queries=queries, projected=projected)
