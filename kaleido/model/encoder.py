"""Encoder of BERT: post-LayerNorm, tanh-approximated GELU (paper section 3.4).

Two arguments save work at inference. `queries` n computes the outputs of the first n positions only, [B, n, H].
`projected` [B, S, 3 H], made by `project`, spares the first layer the projection of queries, keys and values, which
does not depend on the other positions.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kaleido.model.config import ModelConfig
from kaleido.model.dropout import Dropout
from kaleido.model.embeddings import initializer
from kaleido.model.tensors import Tensor

MASKED_SCORE = -10000.0
"""Added to the attention score of a padding position, as in BERT."""


def gelu(values: Tensor) -> Tensor:
    """Computes GELU by its tanh approximation."""
    return ops.gelu(values, approximate=True)


def by_position(layer: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Applies a layer to positions [B, S, H] as rows [B * S, H].

    The values are the same. On a processor TensorFlow computes product, bias and GELU of rows in one operation, of
    sequences in three.
    """
    rows = layer(ops.reshape(values, (-1, values.shape[-1])))
    return ops.reshape(rows, (*ops.shape(values)[:-1], rows.shape[-1]))


@keras.saving.register_keras_serializable("kaleido")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention: values [B, S, H] and bias [B, 1, 1, S] or [B, 1, S, S] -> [B, S, H]."""

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.head_size = config.hidden_size // config.num_heads
        self.query, self.key, self.value, self.output_projection = (
            keras.layers.Dense(config.hidden_size, kernel_initializer=initializer(config), name=name)
            for name in ("query", "key", "value", "output")
        )
        self.dropout = Dropout(config.attention_dropout)

    def build(self, input_shape: Any) -> None:
        for dense in (self.query, self.key, self.value, self.output_projection):
            dense.build(input_shape)

    def heads(self, values: Tensor) -> Tensor:
        """Splits [B, S, H] into [B, heads, S, H / heads]."""
        length = ops.shape(values)[1]
        values = ops.reshape(values, (-1, length, self.config.num_heads, self.head_size))
        return ops.transpose(values, (0, 2, 1, 3))

    def memory(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the keys and values of self-attention, [B, heads, S, H / heads] each."""
        return self.heads(by_position(self.key, values)), self.heads(by_position(self.value, values))

    def project(self, values: Tensor) -> Tensor:
        """Computes queries, keys and values by one product, concatenated: [B, S, H] -> [B, S, 3 H]."""
        denses = (self.query, self.key, self.value)
        kernel = ops.concatenate([ops.convert_to_tensor(dense.kernel) for dense in denses], axis=-1)
        bias = ops.concatenate([ops.convert_to_tensor(dense.bias) for dense in denses], axis=-1)
        return by_position(lambda rows: ops.add(ops.matmul(rows, kernel), bias), values)

    def first(self, values: Tensor, bias: Tensor) -> Tensor:
        """Computes the output of the first position, [B, 1, H], without dropout.

        q . (W x + b) is (W^T q) . x plus a constant that softmax cancels, and values may be projected after their
        weighted sum, so no position needs a key or value of its own.
        """
        size = self.config.hidden_size
        query = ops.reshape(self.query(values[:, :1]), (-1, self.config.num_heads, self.head_size))
        by_head = (size, self.config.num_heads, self.head_size)
        key_query = ops.einsum("bnd,hnd->bnh", query * (self.head_size**-0.5), ops.reshape(self.key.kernel, by_head))
        scores = ops.matmul(key_query, ops.transpose(values, (0, 2, 1)))
        probabilities = ops.softmax(ops.cast(scores, "float32") + ops.cast(bias, "float32")[:, 0])
        averaged = ops.matmul(ops.cast(probabilities, self.compute_dtype), values)
        context = ops.einsum("bnh,hnd->bnd", averaged, ops.reshape(self.value.kernel, by_head))
        return self.output_projection(ops.reshape(context, (-1, 1, size)) + self.value.bias)

    def call(
        self,
        values: Tensor,
        bias: Tensor,
        training: bool | None = None,
        queries: int | None = None,
        projected: Tensor | None = None,
    ) -> Tensor:
        asking = values[:, :queries]
        if projected is None and queries is None:
            projected = self.project(values)
        if projected is None:
            query, (key, value) = by_position(self.query, asking), self.memory(values)
        else:
            query, key, value = ops.split(projected, 3, axis=-1)
            query, key, value = query[:, :queries], self.heads(key), self.heads(value)
        query = self.heads(query) * (self.head_size**-0.5)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        # bfloat16 has too few digits for a sum over a hundred exponentials.
        probabilities = ops.softmax(ops.cast(scores, "float32") + ops.cast(bias, "float32"))
        probabilities = self.dropout(ops.cast(probabilities, self.compute_dtype), training=training)
        context = ops.transpose(ops.matmul(probabilities, value), (0, 2, 1, 3))
        return by_position(self.output_projection, ops.reshape(context, ops.shape(asking)))


@keras.saving.register_keras_serializable("kaleido")
class EncoderLayer(keras.layers.Layer):
    """Attention and feed-forward layer, each with dropout, residual and LayerNorm: [B, S, H] -> [B, S, H]."""

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
        self.dropout = Dropout(config.dropout)

    def build(self, input_shape: Any) -> None:
        for layer in (self.attention, self.attention_norm, self.intermediate, self.output_norm):
            layer.build(input_shape)
        self.output_projection.build((*input_shape[:-1], self.config.intermediate_size))

    def call(
        self,
        values: Tensor,
        bias: Tensor,
        training: bool | None = None,
        queries: int | None = None,
        projected: Tensor | None = None,
    ) -> Tensor:
        if queries == 1 and projected is None and not training:
            attended = self.attention.first(values, bias)
        else:
            attended = self.attention(values, bias, training=training, queries=queries, projected=projected)
        return self.complete(values[:, :queries], attended, training=training)

    def complete(self, values: Tensor, attended: Tensor, training: bool | None = None) -> Tensor:
        """Computes what follows attention: residuals, LayerNorms, feed-forward."""
        values = self.attention_norm(values + self.dropout(attended, training=training))
        forwarded = by_position(lambda rows: self.output_projection(self.intermediate(rows)), values)
        forwarded = self.dropout(forwarded, training=training)
        return self.output_norm(values + forwarded)


@keras.saving.register_keras_serializable("kaleido")
class Encoder(keras.layers.Layer):
    """Stack of layers: values [B, S, H] and mask [B, S] or [B, S, S] (a row a query), 1 to attend -> [B, S, H]."""

    def __init__(self, config: ModelConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.blocks = [EncoderLayer(config, name=f"layer_{index}") for index in range(config.num_layers)]

    def build(self, input_shape: Any) -> None:
        for block in self.blocks:
            block.build(input_shape)

    def project(self, values: Tensor) -> Tensor:
        """Computes the first layer's queries, keys and values, concatenated: [B, S, H] -> [B, S, 3 H]."""
        return self.blocks[0].attention.project(values)

    def call(
        self,
        values: Tensor,
        mask: Tensor,
        training: bool | None = None,
        queries: int | None = None,
        projected: Tensor | None = None,
    ) -> Tensor:
        bias = (1.0 - ops.cast(mask, "float32")) * MASKED_SCORE
        bias = bias[:, None] if len(mask.shape) == 3 else bias[:, None, None]
        for block in self.blocks[:-1]:
            values = block(values, bias, training=training, projected=projected)
            projected = None
        return self.blocks[-1](values, bias[:, :, :queries], training=training, queries=queries, projected=projected)
